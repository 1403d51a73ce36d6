import pytest

from linux import links, netns
from tests.cni.conftest import addresses_in, config, host_local, tables, with_result

pytestmark = pytest.mark.live
REFERENCE_PLUGIN = "bridge"


def bridge(host, *subnets, **keys):
    ipam = host_local(host.directory, *subnets, routes=keys.pop("routes", [{"dst": "0.0.0.0/0"}]))
    return config("bridge", **{"bridge": "mktbr0", "isGateway": True, "ipam": ipam, **keys})


def test_connects_containers_with_each_other_and_the_host(way, host):
    network = bridge(host)
    one, two = host.container(), host.container()
    first = way.add(network, one, cid="one")
    second = way.add(network, two, cid="two")
    assert [i["name"] for i in first["interfaces"]][::2] == ["mktbr0", "eth0"]
    assert first["interfaces"][2]["sandbox"] == one
    assert first["ips"] == [{"address": "10.88.0.2/24", "gateway": "10.88.0.1", "interface": 2}]
    assert first["routes"] == [{"dst": "0.0.0.0/0"}]
    assert addresses_in(one) == ["10.88.0.2/24"]
    assert "10.88.0.1/24" in host.inside(links.list_addresses, "mktbr0")
    server = host.serve(two, 8080, "two")
    assert host.ask("10.88.0.3", 8080) == "two 10.88.0.1"
    assert host.ask("10.88.0.3", 8080, path=one) == "two 10.88.0.2"
    server.close()
    way.check(network, one, first, cid="one")
    way.delete(with_result(network, first), one, cid="one")
    way.delete(with_result(network, second), two, cid="two")
    assert addresses_in(one) == []
    assert not [x for x in host.inside(links.list_links) if x.kind == "veth"]


def test_deletes_twice_and_without_a_namespace(way, host):
    network = bridge(host, ipMasq=True)
    one = host.container()
    way.add(network, one)
    host.pins.remove(one)
    netns.unpin(one)
    way.delete(network, one)
    way.delete(network, "")
    again = way.add(network, host.container())
    # Round robin: the address was free again, and the next one is given.
    assert again["ips"][0]["address"] == "10.88.0.3/24"


def test_dual_stack(way, host):
    network = bridge(host, "10.88.0.0/24", "fd88::/64", routes=[{"dst": "0.0.0.0/0"}, {"dst": "::/0"}])
    one, two = host.container(), host.container()
    answer = way.add(network, one, cid="one")
    way.add(network, two, cid="two")
    assert [ip["address"] for ip in answer["ips"]] == ["10.88.0.2/24", "fd88::2/64"]
    assert sorted(addresses_in(one)) == ["10.88.0.2/24", "fd88::2/64"]
    server = host.serve(two, 8080, "two", ipv6=True)
    assert host.ask("fd88::3", 8080, path=one) == "two fd88::2"
    server.close()
    assert ("::/0", "fd88::1") in {(r.dst, r.gateway) for r in netns.run_in(one, links.routes)}
    way.check(network, one, answer, cid="one")


def test_duplicate_detection_of_ipv6(our_way, host):
    network = bridge(host, "10.88.0.0/24", "fd88::/64", enabledad=True)
    one, two = host.container(), host.container()
    our_way.add(network, one, cid="one")
    assert "fd88::2/64" in addresses_in(one)
    (host.directory / "networks" / network["name"] / "fd88::2").unlink()
    (host.directory / "networks" / network["name"] / "last_reserved_ip.1").unlink()
    assert "in use already" in our_way.fails("ADD", network, two, cid="two").msg


def test_default_gateway(way, host):
    network = bridge(host, isDefaultGateway=True, isGateway=False, routes=[])
    one = host.container()
    answer = way.add(network, one)
    assert answer["routes"] == [{"dst": "0.0.0.0/0", "gw": "10.88.0.1"}]
    assert ("0.0.0.0/0", "10.88.0.1") in {(r.dst, r.gateway) for r in netns.run_in(one, links.routes)}


def test_hairpin_mtu_mac_and_promiscuous_mode(way, host):
    network = bridge(host, hairpinMode=True, mtu=1400)
    one = host.container()
    answer = way.add(network, one, args={"MAC": "02:00:00:00:00:07", "IgnoreUnknown": "1"})
    assert answer["interfaces"][2]["mac"] == "02:00:00:00:00:07"
    inner = netns.run_in(one, lambda: links.get("eth0"))
    assert (inner.mac, inner.mtu) == ("02:00:00:00:00:07", 1400)
    port = answer["interfaces"][1]["name"]
    assert host.run("cat", f"/sys/class/net/{port}/brport/hairpin_mode", check=False).stdout in ("1\n", "")
    assert "hairpin on" in host.run("bridge", "-d", "link", "show", "dev", port).stdout
    both = way.fails("ADD", {**network, "promiscMode": True}, host.container(), cid="two")
    assert "promiscuous" in both.msg
    quiet = {**network, "promiscMode": True, "hairpinMode": False}
    way.add(quiet, host.container(), cid="three")
    assert host.inside(links.get, "mktbr0").flags & links.IFF_PROMISC


def test_layer_two_only(way, host):
    network = config("bridge", bridge="mktbr0", ipam={})
    one = host.container()
    answer = way.add(network, one)
    assert len(answer["interfaces"]) == 3
    assert "ips" not in answer or answer["ips"] == []
    assert netns.run_in(one, lambda: links.get("eth0")).up
    way.delete(network, one)


def test_a_bridge_that_is_there_with_its_address_is_taken(way, host):
    host.inside(links.add_bridge, "mktbr0")
    host.inside(links.add_address, "mktbr0", "10.88.0.1/24")
    one = host.container()
    assert way.add(bridge(host), one)["ips"][0]["address"] == "10.88.0.2/24"


def test_another_address_on_the_bridge_needs_force(way, host):
    host.inside(links.add_bridge, "mktbr0")
    host.inside(links.add_address, "mktbr0", "10.99.0.1/24")
    network = bridge(host)
    failure = way.fails("ADD", network, host.container())
    assert "already has an IP address different from" in failure.msg + failure.details
    # Nothing stays of the failed ADD: the address is free, the link is gone.
    assert not list((host.directory / "networks" / network["name"]).glob("10.*"))
    if way.ours:  # the reference leaves the pair to DEL
        assert not [x for x in host.inside(links.list_links) if x.kind == "veth"]
    way.add({**network, "forceAddress": True}, host.container())
    assert "10.88.0.1/24" in host.inside(links.list_addresses, "mktbr0")
    assert "10.99.0.1/24" not in host.inside(links.list_addresses, "mktbr0")


def test_what_is_no_bridge_is_refused(way, host):
    host.run("ip", "link", "add", "mktbr0", "type", "veth", "peer", "name", "mktp0")
    assert "not a bridge" in way.fails("ADD", bridge(host), host.container()).msg


def test_interface_name_that_is_taken(way, host):
    one = host.container()
    netns.run_in(one, lambda: links.add_bridge("eth0"))
    network = bridge(host)
    assert "exist" in way.fails("ADD", network, one).msg
    assert not list((host.directory / "networks").glob("*/10.*"))


def outside(host, path: str) -> None:
    """A machine beyond the host, at 192.0.2.9."""
    host.run("ip", "link", "add", "mktup", "type", "veth", "peer", "name", "eth0", "netns", path)
    host.inside(links.add_address, "mktup", "192.0.2.1/24")
    host.inside(links.set_up, "mktup")

    def prepare():
        links.add_address("eth0", "192.0.2.9/24")
        links.set_up("eth0")

    netns.run_in(path, prepare)


def test_masquerade_hides_containers_from_the_outside_only(way, host):
    network = bridge(host, ipMasq=True)
    one, two, far = host.container(), host.container(), host.container()
    outside(host, far)
    answer = way.add(network, one, cid="one")
    way.add(network, two, cid="two")
    server, inner = host.serve(far, 8080, "far"), host.serve(two, 8080, "two")
    assert host.ask("192.0.2.9", 8080, path=one) == "far 192.0.2.1"
    assert host.ask("10.88.0.3", 8080, path=one) == "two 10.88.0.2"
    server.close()
    inner.close()
    way.check(network, one, answer, cid="one")
    if way.ours:
        assert tables(host) == [("inet", "minikube_py_masquerade")]
    way.delete(with_result(network, answer), one, cid="one")
    way.delete(network, two, cid="two")
    assert tables(host) == []


def test_check_finds_what_is_amiss(way, host):
    network = bridge(host)
    one = host.container()
    answer = way.add(network, one)
    way.check(network, one, answer)
    netns.run_in(one, lambda: links.del_address("eth0", "10.88.0.2/24"))
    with pytest.raises(Exception, match=r"10\.88\.0\.2"):
        way.check(network, one, answer)
    netns.run_in(one, lambda: links.delete_link("eth0"))
    with pytest.raises(Exception, match="eth0"):
        way.check(network, one, answer)


def test_check_passes_when_other_ports_change_the_address_of_a_bridge_that_is_no_gateway(our_way, host):
    network = bridge(host, isGateway=False)
    one = host.container()
    answer = our_way.add(network, one, args={"MAC": "7e:00:00:00:00:07"})
    host.run("ip", "link", "add", "mktlow", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "mktother")
    host.run("ip", "link", "set", "mktlow", "master", "mktbr0")
    assert host.inside(links.get, "mktbr0").mac == "02:00:00:00:00:01"
    our_way.check(network, one, answer)


def test_port_isolation_keeps_containers_apart(our_way, host):
    network = bridge(host, portIsolation=True)
    one, two = host.container(), host.container()
    our_way.add(network, one, cid="one")
    our_way.add(network, two, cid="two")
    server = host.serve(two, 8080, "two")
    assert host.ask("10.88.0.3", 8080) == "two 10.88.0.1"
    with pytest.raises((TimeoutError, ConnectionRefusedError)):
        host.ask("10.88.0.3", 8080, path=one, timeout=0.5)
    server.close()


def test_disabled_container_interface_stays_down(our_way, host):
    network = config("bridge", bridge="mktbr0", disableContainerInterface=True)
    one = host.container()
    our_way.add(network, one)
    assert not netns.run_in(one, lambda: links.get("eth0")).up
    refused = our_way.fails("ADD", bridge(host, disableContainerInterface=True), host.container(), cid="two")
    assert refused.code == 7


def test_mac_spoof_check_drops_foreign_addresses(our_way, host):
    network = bridge(host, macspoofchk=True)
    one = host.container()
    answer = our_way.add(network, one)
    server = host.serve(one, 8080, "one")
    assert host.ask("10.88.0.2", 8080) == "one 10.88.0.1"
    our_way.check(network, one, answer)
    host.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:09", path=one)
    host.run("ip", "neigh", "flush", "all")
    with pytest.raises((TimeoutError, ConnectionRefusedError)):
        host.ask("10.88.0.2", 8080, timeout=0.5)
    server.close()
    our_way.delete(network, one)
    assert tables(host) == []


def test_gc_removes_what_nobody_deleted(our_way, host):
    network = bridge(host, ipMasq=True, cniVersion="1.1.0")
    kept, lost = host.container(), host.container()
    our_way.add(network, kept, cid="kept")
    our_way.add(network, lost, cid="lost")
    our_way.call("GC", {**network, "cni.dev/valid-attachments": [{"containerID": "kept", "ifname": "eth0"}]})
    left = [p.name for p in (host.directory / "networks" / network["name"]).glob("10.*")]
    assert left == ["10.88.0.2"]
    listing = host.run("nft", "list", "ruleset").stdout
    assert "10.88.0.2 comment" in listing
    assert "10.88.0.3" not in listing
    our_way.call("GC", {**network, "cni.dev/valid-attachments": []})
    assert tables(host) == []
    our_way.call("STATUS", network)


def test_left_over_link_and_rule_do_not_hinder_the_next(our_way, host):
    """Killed after the pair was made and the rule set, the runtime starts the same container again."""
    network = bridge(host, ipMasq=True)
    one, two = host.container(), host.container()
    our_way.add(network, one, cid="same")
    for path in (host.directory / "networks" / network["name"]).glob("10.*"):
        path.unlink()
    (host.directory / "networks" / network["name"] / "last_reserved_ip.0").unlink()
    answer = our_way.add(network, two, cid="same")
    assert answer["ips"][0]["address"] == "10.88.0.2/24"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"vlan": 5000}, "invalid VLAN ID 5000"),
        ({"vlan": -1}, "invalid VLAN ID"),
        ({"mtu": "big"}, "mtu"),
        ({"bridge": 5}, "bridge"),
        ({"vlanTrunk": [{"minID": 5}]}, "minID"),
        ({"vlanTrunk": [{"minID": 9, "maxID": 5}]}, "range"),
        ({"vlanTrunk": [{"id": 0}]}, "trunk id"),
    ],
)
def test_bad_configuration(our_way, host, keys, words):
    failure = our_way.fails("ADD", bridge(host, **keys), host.container())
    assert failure.code == 7
    assert words in failure.msg
