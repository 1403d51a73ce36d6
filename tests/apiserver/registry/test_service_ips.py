"""Allocation of Service addresses and ports."""

import itertools

import pytest

from apiserver.registry.node_ports import NodePorts, parse_range
from apiserver.registry.service_ips import AddressError, RangeFullError, ServiceAddresses, ServiceRange


def _addresses(*cidrs, ready=True):
    made = ServiceAddresses()
    for number, cidr in enumerate(cidrs):
        made.offer(str(number), [cidr], ready=ready)
    return made


def test_addresses_are_unique_until_the_range_is_full():
    addresses = _addresses("10.0.0.0/29")
    found = {addresses.allocate() for _ in range(6)}
    assert found == {f"10.0.0.{index}" for index in range(1, 7)}
    with pytest.raises(RangeFullError, match="range is full"):
        addresses.allocate()
    addresses.release("10.0.0.3")
    assert addresses.allocate() == "10.0.0.3"


def test_a_full_range_is_followed_by_the_next_one():
    addresses = _addresses("10.0.0.0/30", "10.0.1.0/30")
    assert {addresses.allocate() for _ in range(4)} == {"10.0.0.1", "10.0.0.2", "10.0.1.1", "10.0.1.2"}
    addresses.withdraw("1")
    addresses.release("10.0.1.1")
    with pytest.raises(RangeFullError):
        addresses.allocate()


def test_dynamic_addresses_leave_the_lower_band():
    addresses = _addresses("10.96.0.0/16")
    assert all(int(addresses.allocate().split(".")[2]) >= 1 for _ in range(200))
    addresses.take("10.96.0.10")


def test_the_lower_band_is_used_when_nothing_else_is_left():
    one = ServiceRange("10.0.0.0/24")
    upper = list(itertools.islice(one.candidates(), 254 - 16))
    assert all(int(address.split(".")[3]) > 16 for address in upper)
    assert len(set(one.candidates())) == 254


def test_an_ipv6_range_has_no_broadcast_address():
    one = ServiceRange("fd00::/125")
    assert sorted(one.candidates()) == [f"fd00::{index}" for index in range(1, 8)]
    assert one.first == "fd00::1"


def test_given_addresses_are_checked():
    addresses = _addresses("10.96.0.0/24")
    addresses.take("10.96.0.10")
    assert addresses.is_reserved("10.96.0.10")
    assert not addresses.is_replaceable("10.96.0.10")
    addresses.hold("10.96.0.10", "a/b")
    with pytest.raises(AddressError, match="already allocated"):
        addresses.take("10.96.0.10")
    with pytest.raises(AddressError, match="does not match the current range"):
        addresses.take("10.97.0.10")
    with pytest.raises(AddressError, match="not in the valid range"):
        addresses.take("10.96.0.255")
    with pytest.raises(AddressError, match="must be a valid IP"):
        addresses.take("nonsense")
    addresses.drop("10.96.0.10", "a/other")
    with pytest.raises(AddressError):
        addresses.take("10.96.0.10")
    addresses.drop("10.96.0.10", "a/b")
    addresses.take("10.96.0.10")


def test_an_ip_address_object_takes_its_address():
    addresses = _addresses("10.96.0.0/24")
    addresses.hold_object("10.96.0.10")
    with pytest.raises(AddressError, match="already allocated"):
        addresses.take("10.96.0.10")
    addresses.drop_object("10.96.0.10")
    addresses.take("10.96.0.10")


def test_a_range_that_is_not_ready_gives_nothing_but_still_covers_its_addresses():
    addresses = _addresses("10.96.0.0/24", ready=False)
    with pytest.raises(RangeFullError):
        addresses.allocate()
    with pytest.raises(AddressError, match="does not match the current range"):
        addresses.take("10.96.0.10")
    assert addresses.covers("10.96.0.10")
    assert not addresses.covers("10.97.0.10")


def test_ports():
    ports = NodePorts(30000, 30001)
    assert {ports.allocate(), ports.allocate()} == {30000, 30001}
    with pytest.raises(AddressError, match="range is full"):
        ports.allocate()
    with pytest.raises(AddressError, match="not in the valid range"):
        ports.take(80, "a/b")
    assert parse_range("30000-32767") == (30000, 32767)
    with pytest.raises(ValueError, match="invalid port range"):
        parse_range("5-1")
