import pytest

from linux import addresses, links, netns, tc
from linux.netlink import Netlink, NetlinkError, attributes, nested, text, u8, u16, u32


def test_attributes_there_and_back():
    packed = u8(1, 7) + u16(2, 300) + u32(3, 70000) + text(4, "name") + nested(5, u32(1, 9))
    assert len(packed) % 4 == 0
    found = attributes(packed)
    assert found[1] == b"\x07"
    assert found[2] == b"\x2c\x01"
    assert found[4] == b"name\0"
    assert attributes(found[5]) == {1: b"\x09\0\0\0"}
    assert attributes(b"\x02\0\x01\0") == {}


def test_addresses():
    assert addresses.parse_cidr("10.0.0.9/24") == (bytes([10, 0, 0, 9]), 24)
    assert addresses.network_text("fd00::1:2/64") == "fd00::/64"
    assert addresses.unpack(addresses.last(addresses.pack("10.0.0.9"), 24)) == "10.0.0.255"
    assert addresses.contains(addresses.pack("10.0.0.0"), 24, addresses.pack("10.0.0.77"))
    assert not addresses.contains(addresses.pack("10.0.0.0"), 24, addresses.pack("10.0.1.77"))
    assert not addresses.contains(addresses.pack("10.0.0.0"), 24, addresses.pack("fd00::1"))
    assert addresses.network(addresses.pack("1.2.3.4"), 0) == bytes(4)
    for bad in ("", "10.0.0.1", "10.0.0.1/33", "10.0.0.1/-1", "10.0.0/8", "x/8", "10.0.0.1/ 8", "fd00::/129"):
        with pytest.raises(ValueError, match="invalid CIDR"):
            addresses.parse_cidr(bad)


def test_bridge_vlan_bytes():
    """This kernel may have no bridge VLANs: the bytes must be right nevertheless."""
    message = links.bridge_vlan(7, 100)
    head = bytes([7, 0, 0, 0]) + (7).to_bytes(4, "little") + bytes(8)
    # IFLA_AF_SPEC{IFLA_BRIDGE_VLAN_INFO{flags PVID|UNTAGGED, vid 100}}
    assert message.body == head + b"\x0c\0\x1a\x80" + b"\x08\0\x02\0" + b"\x06\0\x64\0"
    assert links.remove_bridge_vlan(7, 1).kind == 17
    tagged = links.bridge_vlan(7, 5, pvid=False, untagged=False)
    assert tagged.body.endswith(b"\0\0\x05\0")


def test_mac():
    assert links.mac_bytes("02:00:00:00:00:0a") == b"\x02\0\0\0\0\x0a"
    for bad in ("", "02:00", "zz:00:00:00:00:00", "02:00:00:00:00:100"):
        with pytest.raises(ValueError, match="invalid MAC"):
            links.mac_bytes(bad)


@pytest.fixture
def host(tmp_path):
    path = str(tmp_path / "host")
    netns.pin("net", path)
    with netns.entered(path):
        yield path
    netns.unpin(path)


@pytest.mark.live
def test_links_addresses_and_routes(host):
    links.add_bridge("mktbr0")
    links.add_bridge("mktbr0")
    assert links.link_exists("mktbr0")
    assert links.get("mktbr0").kind == "bridge"
    links.add_address("mktbr0", "10.0.0.1/24")
    links.add_address("mktbr0", "10.0.0.1/24")
    links.add_address("mktbr0", "fd00::1/64")
    assert [a for a in links.list_addresses("mktbr0") if not a.startswith("fe80")] == ["10.0.0.1/24", "fd00::1/64"]
    links.del_address("mktbr0", "fd00::1/64")
    links.del_address("mktbr0", "fd00::1/64")
    index = links.get("mktbr0").index
    with Netlink() as nl:
        nl.send(
            links.new_route("10.7.0.0/16", gateway="10.0.0.9"),
            links.new_route("0.0.0.0/0", gateway="10.0.0.8", options={"priority": 50, "mtu": 1300}),
            links.new_route("10.8.0.0/16", index=index, options={"table": 1000}),
        )
    found = {(r.dst, r.gateway, r.priority) for r in links.routes()}
    assert {("10.7.0.0/16", "10.0.0.9", 0), ("0.0.0.0/0", "10.0.0.8", 50)} <= found
    assert [r.dst for r in links.routes(table=1000)] == ["10.8.0.0/16"]
    assert links.default_route_source() == "10.0.0.1"
    assert links.default_route_link() == "mktbr0"
    with Netlink() as nl:
        nl.send(links.remove_route("10.7.0.0/16"), links.remove_route("10.7.0.0/16"))
    links.set_down("mktbr0")
    assert not links.get("mktbr0").up
    links.delete_link("mktbr0")
    links.delete_link("mktbr0")
    assert links.list_addresses("mktbr0") == []
    assert links.default_route_source() is None


@pytest.mark.live
def test_errors_say_what_and_why(host):
    with pytest.raises(NetlinkError, match="link mktno"):
        links.set_up("mktno")
    links.add_bridge("mktbr0")
    with Netlink() as nl:
        failures = nl.try_send(
            [
                links.new_link("mktbr0", "bridge"),
                links.new_link("mktx", "nokind"),
                links.new_route("10.7.0.0/16", gateway="10.0.0.9"),
                links.up(links.get("mktbr0").index),
            ]
        )
    assert [str(f).partition("] ")[2].partition(":")[0] for f in failures] == [
        "create bridge mktbr0",
        "create nokind mktx",
        "add route 10.7.0.0/16 via 10.0.0.9",
    ]
    assert "(" in str(failures[1])  # the kernel's own words
    assert links.get("mktbr0").up
    with pytest.raises(NetlinkError):
        links.delete_link("mktno", missing_ok=False)


@pytest.mark.live
def test_veth_into_another_namespace_and_back(host, tmp_path):
    import os

    inner = str(tmp_path / "inner")
    netns.pin("net", inner)
    try:
        descriptor = os.open(inner, os.O_RDONLY)
        with Netlink() as nl:
            nl.send(links.new_veth("mktv0", "eth0", peer_netns=descriptor, mtu=1400, peer_mac="02:00:00:00:00:01"))
        os.close(descriptor)
        peer = netns.run_in(inner, lambda: links.get("eth0"))
        assert (peer.mac, peer.mtu, peer.parent) == ("02:00:00:00:00:01", 1400, links.get("mktv0").index)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        with netns.entered(inner), Netlink() as nl:
            nl.send(links.move(peer.index, home, "mktback", alias=""))
        os.close(home)
        assert links.get("mktback").mac == "02:00:00:00:00:01"
    finally:
        netns.unpin(inner)


@pytest.mark.live
def test_token_bucket(host):
    links.add_bridge("mktbr0")
    index = links.get("mktbr0").index
    with Netlink() as nl:
        nl.send(tc.token_bucket(index, 8_000_000, 80_000))
        nl.send(tc.token_bucket(index, 40_000_000_000, 80_000_000))
        assert [(q.kind, q.rate) for q in tc.qdiscs(index, nl)] == [("tbf", 40_000_000_000)]
