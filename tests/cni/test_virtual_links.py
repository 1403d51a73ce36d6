"""macvlan live; ipvlan, which this kernel may lack, by the bytes it would be asked with."""

import pytest

from cni.config import Call
from cni.errors import CNIError
from cni.plugins import ipvlan, macvlan
from linux import links, netns
from tests.cni.conftest import addresses_in, config, host_local, with_result
from tests.cni.test_bridge import outside

REFERENCE_PLUGIN = "macvlan"


def network(host, **keys):
    return config("macvlan", master="mktup", ipam=host_local(host.directory, "192.0.2.0/24"), **keys)


@pytest.mark.live
def test_macvlan_is_on_the_masters_network(way, host):
    far, one = host.container(), host.container()
    outside(host, far)
    conf = network(host)
    conf["ipam"]["ranges"][0][0]["rangeStart"] = "192.0.2.100"
    answer = way.add(conf, one)
    assert answer["interfaces"][0]["name"] == "eth0"
    assert answer["ips"][0]["address"] == "192.0.2.100/24"
    assert answer["ips"][0]["interface"] == 0
    server = host.serve(far, 8080, "far")
    assert host.ask("192.0.2.9", 8080, path=one) == "far 192.0.2.100"
    server.close()
    assert netns.run_in(one, lambda: links.get("eth0")).kind == "macvlan"
    way.check(conf, one, answer)
    way.delete(with_result(conf, answer), one)
    assert addresses_in(one) == []
    way.delete(conf, "")
    assert not list((host.directory / "networks").glob("*/192.*"))


@pytest.mark.live
@pytest.mark.parametrize("mode", ["bridge", "private", "vepa", "passthru"])
def test_macvlan_modes_mac_and_mtu(way, host, mode):
    outside(host, host.container())
    one = host.container()
    conf = network(host, mode=mode, mtu=1300)
    args = {} if mode == "passthru" else {"MAC": "02:00:00:00:00:0a", "IgnoreUnknown": "1"}
    answer = way.add(conf, one, args=args)
    link = netns.run_in(one, lambda: links.get("eth0"))
    assert link.mtu == 1300
    if args:
        assert link.mac == answer["interfaces"][0]["mac"] == "02:00:00:00:00:0a"
    assert int.from_bytes(link.info[1], "little") == macvlan.MODES[mode]


@pytest.mark.live
def test_macvlan_failures(way, host):
    outside(host, host.container())
    one = host.container()
    assert "not found" in way.fails("ADD", {**network(host), "master": "mktno"}, one).msg
    assert "MTU" in way.fails("ADD", network(host, mtu=9000), one).msg
    assert "unknown" in way.fails("ADD", network(host, mode="odd"), one).msg
    exhausted = network(host)
    exhausted["ipam"]["ranges"] = [[{"subnet": "192.0.2.0/24", "rangeStart": "192.0.2.5", "rangeEnd": "192.0.2.5"}]]
    way.add(exhausted, one, cid="first")
    two = host.container()
    way.fails("ADD", exhausted, two, cid="second")
    if way.ours:  # the reference leaves the link to DEL
        assert not netns.run_in(two, lambda: links.link_exists("eth0"))


@pytest.mark.live
def test_macvlan_in_the_containers_own_link(way, host):
    far, one = host.container(), host.container()
    outside(host, far)
    way_config = {**network(host, linkInContainer=True), "master": "inner0"}
    host.run("ip", "link", "add", "mktx", "type", "veth", "peer", "name", "inner0", "netns", one)
    if not way.ours:
        pytest.skip("newer than Debian's reference")
    way.add(way_config, one)
    assert netns.run_in(one, lambda: links.get("eth0")).kind == "macvlan"


@pytest.mark.live
def test_macvlan_takes_the_default_routes_link(way, host):
    outside(host, host.container())
    host.run("ip", "route", "add", "default", "via", "192.0.2.9")
    conf = network(host)
    del conf["master"]
    one = host.container()
    way.add(conf, one)
    assert netns.run_in(one, lambda: links.get("eth0")).kind == "macvlan"


@pytest.mark.live
def test_status_and_gc(our_way, host):
    outside(host, host.container())
    conf = network(host, cniVersion="1.1.0")
    our_way.call("STATUS", conf)
    assert our_way.fails("STATUS", {**conf, "master": "mktno"}).code == 50
    our_way.add(conf, host.container())
    our_way.call("GC", {**conf, "cni.dev/valid-attachments": []})
    assert not list((host.directory / "networks").glob("*/192.*"))


@pytest.mark.parametrize(("mode", "number"), [("", 0), ("l2", 0), ("l3", 1), ("l3s", 2)])
def test_ipvlan_asks_for_its_mode(mode, number):
    data = ipvlan.link_data(Call("ADD", {"mode": mode}))
    assert data == bytes([6, 0, 1, 0, number, 0, 0, 0])
    message = links.new_link("eth0", "ipvlan", data)
    # ifinfomsg, IFLA_IFNAME "eth0", IFLA_LINKINFO{IFLA_INFO_KIND "ipvlan", IFLA_INFO_DATA{IFLA_IPVLAN_MODE}}
    assert message.body == bytes(16) + b"\x09\0\x03\0eth0\0\0\0\0" + (
        b"\x1c\0\x12\x80" + b"\x0b\0\x01\0ipvlan\0\0" + b"\x0c\0\x02\x80" + data
    )


def test_ipvlan_refuses_odd_modes_and_missing_ipam():
    with pytest.raises(CNIError, match="unknown ipvlan mode"):
        ipvlan.link_data(Call("ADD", {"mode": "l4"}))
    with pytest.raises(CNIError, match="IPAM"):
        ipvlan.add(Call("ADD", {"type": "ipvlan", "name": "n"}, container_id="c", netns="/n", ifname="eth0"))


@pytest.mark.live
def test_ipvlan_tells_what_the_kernel_lacks(our_way, host):
    outside(host, host.container())
    conf = config("ipvlan", master="mktup", ipam=host_local(host.directory, "192.0.2.0/24"))
    one = host.container()
    try:
        our_way.add(conf, one)
    except CNIError as error:
        refused = error.msg
    else:
        our_way.delete(conf, one)
        refused = "failed to create ipvlan"
    assert "failed to create ipvlan" in refused
    assert not list((host.directory / "networks").glob("*/192.*"))
