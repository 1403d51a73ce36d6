"""What is mended between Services and IPAddresses."""

from datetime import UTC, datetime

from apiserver.registry.core.ip_address_repair import plan
from apiserver.registry.core.ip_addresses import ip_address

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
OLD, FRESH = "2026-01-01T00:00:00Z", "2026-01-01T00:59:30Z"


def service(name, *addresses):
    return {"metadata": {"namespace": "n", "name": name}, "spec": {"clusterIPs": list(addresses)}}


def address(name, key, *, created=OLD, **changes):
    made = ip_address(name, key)
    made["metadata"]["creationTimestamp"] = created
    made["metadata"] |= changes.pop("metadata", {})
    made["spec"]["parentRef"] |= changes
    return made


def repairs(services, objects, *, in_range=lambda _: True, in_flight=lambda _: False):
    found = plan(services, objects, in_range=in_range, in_flight=in_flight, now=NOW)
    return [(one.address, one.delete, one.create_for, one.reason) for one in found]


def test_a_pair_that_fits_is_left_alone():
    assert repairs([service("a", "10.0.0.1"), service("b", "None")], [address("10.0.0.1", "n/a")]) == []


def test_a_missing_address_is_made():
    assert repairs([service("a", "10.0.0.1")], []) == [("10.0.0.1", False, "n/a", "ClusterIPNotAllocated")]


def test_an_address_outside_all_ranges_is_only_told():
    found = repairs([service("a", "10.0.0.1")], [], in_range=lambda _: False)
    assert found == [("10.0.0.1", False, "", "ClusterIPOutOfRange")]


def test_a_wrong_parent_or_a_lost_label_makes_it_anew():
    wanted = [("10.0.0.1", True, "n/a", "ClusterIPNotAllocated")]
    services = [service("a", "10.0.0.1")]
    assert repairs(services, [address("10.0.0.1", "n/a", resource="gateways")]) == wanted
    assert repairs(services, [address("10.0.0.1", "n/gone")]) == wanted
    assert repairs(services, [address("10.0.0.1", "n/a", metadata={"labels": {}})]) == wanted


def test_two_services_with_one_address_are_told():
    services = [service("a", "10.0.0.1"), service("b", "10.0.0.1")]
    found = repairs(services, [address("10.0.0.1", "n/a")])
    assert found == [("10.0.0.1", False, "", "ClusterIPAlreadyAllocated")]


def test_what_belongs_to_nobody_goes_after_a_minute():
    assert repairs([], [address("10.0.0.1", "n/a")]) == [("10.0.0.1", True, "", "IPAddressNotAllocated")]
    assert repairs([], [address("10.0.0.1", "n/a", created=FRESH)]) == []
    assert repairs([], [address("10.0.0.1", "n/a", metadata={"labels": {}})]) == []  # somebody else's
    assert repairs([], [address("10.0.0.1", "n/a", group="x")]) == [("10.0.0.1", True, "", "IPAddressNotAllocated")]
    wrong = repairs([service("a", "None")], [address("10.0.0.1", "n/a")])
    assert wrong == [("10.0.0.1", True, "", "IPAddressWrongReference")]


def test_a_write_under_way_is_not_disturbed():
    flying = lambda one: one == "10.0.0.1"  # noqa: E731
    assert repairs([service("a", "None")], [address("10.0.0.1", "n/a")], in_flight=flying) == []
