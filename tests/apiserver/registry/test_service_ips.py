"""Allocation of Service addresses and ports."""

import pytest

from apiserver.registry.node_ports import NodePorts, parse_range
from apiserver.registry.service_ips import AddressError, ServiceAddresses


def test_addresses_are_unique_until_the_range_is_full():
    addresses = ServiceAddresses("10.0.0.0/29")
    found = {addresses.allocate() for _ in range(6)}
    assert found == {f"10.0.0.{index}" for index in range(1, 7)}
    with pytest.raises(AddressError, match="range is full"):
        addresses.allocate()
    addresses.release("10.0.0.3")
    assert addresses.allocate() == "10.0.0.3"


def test_dynamic_addresses_leave_the_lower_band():
    addresses = ServiceAddresses("10.96.0.0/16")
    assert all(int(addresses.allocate().split(".")[2]) >= 1 for _ in range(200))
    addresses.take("10.96.0.10", "kube-system/dns")


def test_given_addresses_are_checked():
    addresses = ServiceAddresses("10.96.0.0/24")
    addresses.take("10.96.0.10", "a/b")
    addresses.hold("10.96.0.10", "a/b")
    addresses.take("10.96.0.10", "a/b")
    with pytest.raises(AddressError, match="already allocated"):
        addresses.take("10.96.0.10", "a/c")
    with pytest.raises(AddressError, match="not in the valid range"):
        addresses.take("10.97.0.10", "a/c")
    with pytest.raises(AddressError, match="must be a valid IP"):
        addresses.take("nonsense", "a/c")
    addresses.release("10.96.0.10")
    addresses.drop("10.96.0.10", "a/other")
    with pytest.raises(AddressError):
        addresses.take("10.96.0.10", "a/c")
    addresses.drop("10.96.0.10", "a/b")
    addresses.take("10.96.0.10", "a/c")


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
