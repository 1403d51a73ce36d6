"""bridge with VLANs: what may go where, live where the kernel filters (`python -m e2e.vm test tests/cni`)."""

import json

import pytest

from cni.config import Call
from cni.errors import CNIError
from cni.plugins.bridge_vlan import Vlans
from linux import links, netns
from tests.cni.conftest import addresses_in, require_kernel, with_result
from tests.cni.test_bridge import bridge

REFERENCE_PLUGIN = "bridge"


@pytest.fixture
def filters(host):
    require_kernel(host, "type", "bridge", "vlan_filtering", "1")


def vlans(host, link):
    """A port's VLANs: number to whether it is untagged and whether it is the port's own."""
    shown = json.loads(host.run("bridge", "-j", "vlan", "show", "dev", link).stdout)
    found = {}
    for one in (entry for port in shown for entry in port.get("vlans", [])):
        flags = one.get("flags", [])
        for number in range(one["vlan"], one.get("vlanEnd", one["vlan"]) + 1):
            found[number] = ("Egress Untagged" in flags, "PVID" in flags)
    return found


def reaches(host, path, address):
    """Whether a container gets an answer from port 8080 of an address."""
    try:
        return bool(host.ask(address, 8080, path=path, timeout=1))
    except OSError:
        return False


@pytest.mark.live
def test_containers_reach_those_of_their_vlan(way, host, filters):
    five, six = bridge(host, "10.88.0.0/24", vlan=5), bridge(host, "10.88.0.0/24", vlan=6, isGateway=False)
    six["ipam"]["ranges"][0][0]["rangeStart"] = "10.88.0.100"
    one, two, three = (host.container() for _ in range(3))
    answer = way.add(five, one, cid="one")
    way.add(five, two, cid="two")
    way.add(six, three, cid="three")
    assert host.inside(links.get, "mktbr0").info[7] == b"\1"
    # Debian's reference is older than preserveDefaultVlan and does what is its default.
    assert vlans(host, answer["interfaces"][1]["name"]) == {1: (True, False), 5: (True, True)}
    assert [i["name"] for i in answer["interfaces"]][2:] == ["eth0", "mktbr0.5"]
    carrier = host.inside(links.get, "mktbr0.5")
    assert answer["interfaces"][3]["mac"] == carrier.mac
    assert "10.88.0.1/24" in host.inside(links.list_addresses, "mktbr0.5")
    assert not [a for a in host.inside(links.list_addresses, "mktbr0") if a.startswith("10.")]
    servers = [host.serve(path, 8080, "here") for path in (one, two, three)]
    assert reaches(host, one, "10.88.0.3")
    assert reaches(host, "", "10.88.0.2")
    assert not reaches(host, one, "10.88.0.100")
    assert not reaches(host, three, "10.88.0.2")
    for server in servers:
        server.close()
    way.check(five, one, answer, cid="one")
    for conf, path, cid in ((five, one, "one"), (five, two, "two"), (six, three, "three")):
        way.delete(conf, path, cid=cid)
        assert addresses_in(path) == []
    # The link that carries the gateway stays, as the bridge does.
    assert host.inside(links.link_exists, "mktbr0.5")


@pytest.mark.live
def test_dual_stack_in_a_vlan(way, host, filters):
    conf = bridge(host, "10.88.0.0/24", "fd88::/64", vlan=7, routes=[{"dst": "0.0.0.0/0"}, {"dst": "::/0"}])
    one = host.container()
    answer = way.add(conf, one)
    assert [i["name"] for i in answer["interfaces"]][3:] == ["mktbr0.7"]
    assert {"10.88.0.1/24", "fd88::1/64"} <= set(host.inside(links.list_addresses, "mktbr0.7"))
    if way.ours:  # the reference's gateway address is not usable before duplicate detection ends
        server = host.serve(one, 8080, "one", ipv6=True)
        assert host.ask("fd88::2", 8080) == "one fd88::1"
        server.close()
    way.check(conf, one, answer)


@pytest.mark.live
def test_the_default_vlan_is_left_where_that_is_asked(our_way, host, filters):
    conf = bridge(host, vlan=5, preserveDefaultVlan=False)
    one = host.container()
    answer = our_way.add(conf, one)
    assert vlans(host, answer["interfaces"][1]["name"]) == {5: (True, True)}
    port = host.inside(links.get, "mktbr0.5").parent
    assert vlans(host, host.inside(links.by_index, port).name) == {5: (True, True)}
    # A container without a VLAN on the same bridge is in the default one.
    plain = bridge(host, "10.89.0.0/24")
    two, three = host.container(), host.container()
    answer = our_way.add(plain, two, cid="two")
    our_way.add(plain, three, cid="three")
    assert vlans(host, answer["interfaces"][1]["name"]) == {1: (True, True)}
    server = host.serve(three, 8080, "three")
    assert reaches(host, two, "10.89.0.3")
    server.close()


@pytest.mark.live
@pytest.mark.parametrize("own", [0, 9])
def test_a_trunk_carries_tagged_vlans(our_way, host, filters, own):
    trunk = [{"minID": 10, "maxID": 12}, {"id": 20}, {"id": 9}]
    keys = {"vlan": own} if own else {}
    one, two = host.container(), host.container()
    conf = bridge(host, vlanTrunk=trunk, isGateway=False, preserveDefaultVlan=False, **keys)
    answer = our_way.add(conf, one, cid="one")
    tagged = dict.fromkeys((9, 10, 11, 12, 20), (False, False))
    assert vlans(host, answer["interfaces"][1]["name"]) == {**tagged, **({9: (True, True)} if own else {})}
    our_way.check(conf, one, answer, cid="one")
    our_way.add(bridge(host, "10.90.0.0/24", vlan=11, isGateway=False), two, cid="two")
    require_kernel(host, "link", "mktbr0", "type", "vlan", "id", "99")
    host.run("ip", "link", "add", "link", "eth0", "name", "tagged", "type", "vlan", "id", "11", path=one)
    netns.run_in(one, lambda: (links.add_address("tagged", "10.90.0.200/24"), links.set_up("tagged")))
    server = host.serve(two, 8080, "two")
    assert host.ask("10.90.0.2", 8080, path=one) == "two 10.90.0.200"
    server.close()
    our_way.delete(with_result(conf, answer), one, cid="one")


@pytest.mark.live
def test_a_bridge_that_is_there_learns_to_filter(our_way, host, filters):
    host.inside(links.add_bridge, "mktbr0")
    answer = our_way.add(bridge(host, vlan=5), host.container())
    assert host.inside(links.get, "mktbr0").info[7] == b"\1"
    assert vlans(host, answer["interfaces"][1]["name"])[5] == (True, True)


@pytest.mark.live
def test_what_a_killed_call_left_of_the_gateways_link_is_made_whole(our_way, host, filters):
    host.run("ip", "link", "add", "mktbr0", "type", "bridge", "vlan_filtering", "1")
    host.run("ip", "link", "add", "mktbr0.5", "type", "veth", "peer", "name", "mktgw")
    host.run("ip", "link", "set", "mktgw", "master", "mktbr0", "up")
    one = host.container()
    our_way.add(bridge(host, vlan=5), one)
    server = host.serve(one, 8080, "one")
    assert host.ask("10.88.0.2", 8080) == "one 10.88.0.1"
    server.close()


@pytest.mark.live
def test_a_kernel_without_vlans_is_told(our_way, host):
    network, one = bridge(host, vlan=5), host.container()
    try:
        our_way.add(network, one)
    except CNIError as error:
        refused = error.msg
        assert not list((host.directory / "networks").glob("*/10.*"))
        assert not [x for x in host.inside(links.list_links) if x.kind == "veth"]
    else:
        refused = "VLAN bridge"
    assert "bridge" in refused


def test_what_a_port_is_asked_to_carry():
    said = links.Link(links.new_link("br", "bridge", b"\x06\0\x27\0\x01\0\0\0").body)  # default VLAN 1
    conf = {"vlan": 5, "vlanTrunk": [{"minID": 4, "maxID": 6}], "preserveDefaultVlan": False}
    batch = Vlans(Call("ADD", conf)).of_port(said, 7)
    assert [message.what for message in batch] == [f"set VLAN {number} of a port" for number in (1, 5, 4, 6)]
    kept = Vlans(Call("ADD", {"vlan": 5})).of_port(said, 7)
    assert [message.what for message in kept] == ["set VLAN 5 of a port"]
    assert Vlans(Call("ADD", {})).of_port(said, 7) == []
    # ifinfomsg of the bridge family, IFLA_AF_SPEC{IFLA_BRIDGE_VLAN_INFO{PVID|UNTAGGED, 5}}
    assert kept[0].body == b"\x07\0\0\0\x07\0\0\0" + bytes(8) + b"\x0c\0\x1a\x80\x08\0\x02\0\x06\0\x05\0"


@pytest.mark.parametrize("trunk", ["5", [5], [{"id": "5"}], [{"id": True}], [{"minID": 1.5, "maxID": 3}]])
def test_trunks_of_wrong_types_are_refused(trunk):
    with pytest.raises(CNIError, match="vlanTrunk"):
        Vlans(Call("ADD", {"vlanTrunk": trunk}))
