"""ipvlan live, where the kernel has it: Debian's does (`python -m e2e.vm test tests/cni`)."""

import pytest

from linux import links, netns
from tests.cni.conftest import REFERENCE, addresses_in, config, host_local, require_kernel, with_result
from tests.cni.test_bridge import outside

pytestmark = pytest.mark.live
REFERENCE_PLUGIN = "ipvlan"


@pytest.fixture
def master(host):
    """A link of the host, with a machine at its other end."""
    far = host.container()
    outside(host, far)
    require_kernel(host, "link", "mktup", "type", "ipvlan")
    return far


def network(host, *subnets, **keys):
    ipam = host_local(host.directory, *(subnets or ("192.0.2.0/24",)))
    ipam["ranges"][0][0]["rangeStart"] = "192.0.2.100"
    return config("ipvlan", **{"master": "mktup", "ipam": ipam, **keys})


@pytest.mark.parametrize(("mode", "number"), [("", 0), ("l2", 0), ("l3", 1), ("l3s", 2)])
def test_is_on_the_masters_network(way, host, master, mode, number):
    one = host.container()
    conf = network(host, "192.0.2.0/24", "fd22::/64", mode=mode)
    answer = way.add(conf, one)
    link = netns.run_in(one, lambda: links.get("eth0"))
    assert (link.kind, int.from_bytes(link.info[1], "little")) == ("ipvlan", number)
    assert link.mac == host.inside(links.get, "mktup").mac == answer["interfaces"][0]["mac"]
    assert answer["interfaces"][0]["sandbox"] == one
    assert [(ip["address"], ip["interface"]) for ip in answer["ips"]] == [("192.0.2.100/24", 0), ("fd22::2/64", 0)]
    assert sorted(addresses_in(one)) == ["192.0.2.100/24", "fd22::2/64"]
    if mode in ("", "l2"):
        server = host.serve(master, 8080, "far")
        assert host.ask("192.0.2.9", 8080, path=one) == "far 192.0.2.100"
        server.close()
    way.check(conf, one, answer)
    other = {**conf, "mode": "l3" if number == 0 else "l2"}
    assert "mode" in way.fails("CHECK", with_result(other, answer), one).msg
    way.delete(with_result(conf, answer), one)
    way.delete(conf, one)
    way.delete(conf, "")
    assert addresses_in(one) == []
    assert not list((host.directory / "networks").glob("*/192.*"))


def test_after_a_plugin_that_has_the_addresses(way, host, master):
    one = host.container()
    previous = {
        "interfaces": [{"name": "mktup"}],
        "ips": [{"address": "192.0.2.55/24", "gateway": "192.0.2.1", "interface": 0}],
        "routes": [{"dst": "10.0.0.0/8", "gw": "192.0.2.9"}],
    }
    conf = config("ipvlan")
    answer = way.add(with_result(conf, previous), one)
    assert [one["name"] for one in answer["interfaces"]] == ["eth0"]
    assert answer["ips"] == previous["ips"]
    assert addresses_in(one) == ["192.0.2.55/24"]
    assert ("10.0.0.0/8", "192.0.2.9") in {(r.dst, r.gateway) for r in netns.run_in(one, links.routes)}
    server = host.serve(master, 8080, "far")
    assert host.ask("192.0.2.9", 8080, path=one) == "far 192.0.2.55"
    server.close()
    way.check({**conf, "master": "mktup"}, one, answer)
    way.delete(with_result(conf, previous), one)
    assert addresses_in(one) == []
    two = {**previous, "interfaces": [{"name": "mktup"}, {"name": "lo"}]}
    assert "single named interface" in way.fails("ADD", with_result(conf, two), one).msg


def test_on_the_default_routes_link_and_in_the_container(way, host, master):
    host.run("ip", "route", "add", "default", "via", "192.0.2.9")
    conf, one = network(host), host.container()
    del conf["master"]
    way.add(conf, one)
    assert netns.run_in(one, lambda: links.get("eth0")).kind == "ipvlan"
    if not way.ours:
        return  # linkInContainer is newer than Debian's reference
    inner, two = network(host, master="inner0", linkInContainer=True), host.container()
    host.run("ip", "link", "add", "mktx", "type", "veth", "peer", "name", "inner0", "netns", two)
    answer = way.add(inner, two, cid="two")
    assert netns.run_in(two, lambda: links.get("eth0")).kind == "ipvlan"
    way.check(inner, two, answer, cid="two")


def test_failures(way, host, master):
    conf, one = network(host), host.container()
    assert "mktno" in way.fails("ADD", {**conf, "master": "mktno"}, one).msg
    assert "unknown ipvlan mode" in way.fails("ADD", {**conf, "mode": "odd"}, one).msg
    answer = way.add(conf, one)
    assert "mktno" in way.fails("CHECK", with_result({**conf, "master": "mktno"}, answer), one).msg
    netns.run_in(one, lambda: links.del_address("eth0", "192.0.2.100/24"))
    assert "192.0.2.100" in way.fails("CHECK", with_result(conf, answer), one).msg
    netns.run_in(one, lambda: links.delete_link("eth0"))
    assert "eth0" in way.fails("CHECK", with_result(conf, answer), one).msg


def test_status_and_gc(our_way, host, master):
    conf = network(host, cniVersion="1.1.0")
    our_way.call("STATUS", conf)
    assert our_way.fails("STATUS", {**conf, "master": "mktno"}).code == 50
    our_way.add(conf, host.container())
    our_way.call("GC", {**conf, "cni.dev/valid-attachments": []})
    assert not list((host.directory / "networks").glob("*/192.*"))


def test_the_reference_removes_ours_and_we_the_references(host, master, plugin_directory):
    from pathlib import Path

    from tests.cni.conftest import Way

    if not Path(REFERENCE, "ipvlan").exists():
        pytest.skip("no reference binary")
    both = [Way("executable", host, plugin_directory), Way("reference", host, REFERENCE)]
    for adds, removes in (both, both[::-1]):
        conf, one = network(host), host.container()
        answer = adds.add(conf, one)
        removes.check(conf, one, answer)
        removes.delete(with_result(conf, answer), one)
        assert addresses_in(one) == []
        assert not list((host.directory / "networks").glob("*/192.*"))
