import datetime

import pytest

from controllers.horizontal_pod_autoscaler.pod_groups import Groups, MetricError, Reading
from controllers.horizontal_pod_autoscaler.replica_calculator import (
    Tolerances,
    average,
    by_pods,
    by_ratio,
    by_share,
    utilization,
)

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
USUAL = Tolerances()


def readings(*values):
    return {f"p{number}": Reading(value, NOW, 30) for number, value in enumerate(values)}


def replicas(values, *, current=3, target=100, unready=(), missing=()):
    groups = Groups(len(values), set(unready), set(missing))
    found, _ = by_pods(
        current, groups, readings(*values), lambda given: average(given, target), lambda _: target, USUAL
    )
    return found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([100, 100, 100], 3),
        ([109, 109, 109], 3),
        ([91, 91, 91], 3),
        ([111, 111, 111], 4),
        ([200, 200, 200], 6),
        ([30, 30, 30], 1),
        ([300, 0, 0], 3),
    ],
)
def test_use_per_pod_asks_for_pods_in_proportion(values, expected):
    assert replicas(values) == expected


def test_pods_that_are_not_ready_are_taken_to_use_nothing_where_pods_are_added():
    assert replicas([300, 300], unready=["p8"]) == 6
    assert replicas([120, 120], unready=["p8"]) == 3
    assert replicas([50, 50], unready=["p8"]) == 1


def test_pods_without_a_reading_hold_back_either_way():
    assert replicas([400, 400], missing=["p8"]) == 8
    assert replicas([140, 140], missing=["p8"]) == 3
    assert replicas([10, 10], missing=["p8"]) == 2
    assert replicas([80, 80], missing=["p8"]) == 3


def test_missing_pods_never_turn_the_direction():
    assert replicas([105, 105, 105, 105], current=8, missing=["p8"]) == 8


def test_without_readings_nothing_can_be_said():
    with pytest.raises(MetricError, match="did not receive metrics for targeted pods"):
        replicas([])


def test_utilization_is_measured_against_requests():
    use = utilization({"a": 150, "b": 50, "stranger": 900}, {"a": 200, "b": 200}, 25)
    assert (use.ratio, use.average, use.percent) == (2.0, 100, 50)
    with pytest.raises(MetricError, match="no metrics returned matched known pods"):
        utilization({"stranger": 900}, {"a": 200}, 25)


@pytest.mark.parametrize(
    ("current", "ratio", "ready", "expected"), [(3, 1.05, 3, 3), (3, 2.0, 3, 6), (3, 2.0, 1, 2), (0, 2.4, 0, 3)]
)
def test_a_shared_value_asks_by_its_ratio_and_the_ready_pods(current, ratio, ready, expected):
    assert by_ratio(current, ratio, ready, USUAL) == expected


def test_a_value_per_pod_is_shared_out():
    assert by_share(4, 1000, 100, USUAL) == (10, 250)
    assert by_share(4, 410, 100, USUAL) == (4, 103)
    assert by_share(0, 410, 100, USUAL) == (5, 0)


def test_tolerances_may_differ_by_direction():
    narrow_up = Tolerances(up=0.0, down=0.5)
    assert not narrow_up.hold(1.01)
    assert narrow_up.hold(0.5)
