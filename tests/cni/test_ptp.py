import pytest

from linux import links, netns
from tests.cni.conftest import addresses_in, config, host_local, tables, with_result
from tests.cni.test_bridge import outside

pytestmark = pytest.mark.live
REFERENCE_PLUGIN = "ptp"


def ptp(host, *subnets, **keys):
    routes = keys.pop("routes", [{"dst": "0.0.0.0/0"}])
    return config("ptp", ipam=host_local(host.directory, *subnets, routes=routes), **keys)


def test_connects_containers_through_the_host(way, host):
    network = ptp(host)
    one, two = host.container(), host.container()
    first, second = way.add(network, one, cid="one"), way.add(network, two, cid="two")
    assert [i["name"] for i in first["interfaces"]][1:] == ["eth0"]
    assert first["ips"] == [{"address": "10.88.0.2/24", "gateway": "10.88.0.1", "interface": 1}]
    server = host.serve(two, 8080, "two")
    assert host.ask("10.88.0.3", 8080, path=one) == "two 10.88.0.2"
    assert host.ask("10.88.0.3", 8080) == "two 10.88.0.1"
    server.close()
    found = {(r.dst, r.gateway) for r in netns.run_in(one, links.routes)}
    assert {("0.0.0.0/0", "10.88.0.1"), ("10.88.0.0/24", "10.88.0.1"), ("10.88.0.1/32", "")} <= found
    way.check(network, one, first, cid="one")
    way.delete(with_result(network, first), one, cid="one")
    way.delete(with_result(network, second), two, cid="two")
    assert addresses_in(one) == []
    assert not [x for x in host.inside(links.list_links) if x.kind == "veth"]
    way.delete(network, "", cid="one")


def test_dual_stack_and_mtu(way, host):
    network = ptp(host, "10.88.0.0/24", "fd88::/64", mtu=1400, routes=[{"dst": "0.0.0.0/0"}, {"dst": "::/0"}])
    one, two = host.container(), host.container()
    way.add(network, one, cid="one")
    way.add(network, two, cid="two")
    assert sorted(addresses_in(one)) == ["10.88.0.2/24", "fd88::2/64"]
    assert netns.run_in(one, lambda: links.get("eth0")).mtu == 1400
    if way.ours:  # the reference's address is not usable before duplicate detection ends
        server = host.serve(two, 8080, "two", ipv6=True)
        assert host.ask("fd88::3", 8080, path=one) == "two fd88::2"
        server.close()


def test_masquerade(way, host):
    network = ptp(host, ipMasq=True)
    one, far = host.container(), host.container()
    outside(host, far)
    answer = way.add(network, one)
    server = host.serve(far, 8080, "far")
    assert host.ask("192.0.2.9", 8080, path=one) == "far 192.0.2.1"
    server.close()
    way.delete(with_result(network, answer), one)
    assert tables(host) == []


def test_needs_ipam_and_undoes_what_failed(our_way, host):
    assert our_way.fails("ADD", config("ptp"), host.container()).code == 7
    one = host.container()
    netns.run_in(one, lambda: links.add_bridge("eth0"))
    assert "exist" in our_way.fails("ADD", ptp(host), one).msg
    assert not list((host.directory / "networks").glob("*/10.*"))


def test_gc_and_status(our_way, host):
    network = ptp(host, ipMasq=True, cniVersion="1.1.0")
    our_way.add(network, host.container())
    our_way.call("STATUS", network)
    our_way.call("GC", {**network, "cni.dev/valid-attachments": []})
    assert tables(host) == []
    assert not list((host.directory / "networks").glob("*/10.*"))
