import pytest

from controllers.horizontal_pod_autoscaler.behavior import Memory, decide, longest_memory, tolerances


def rules(direction, *policies, window=0, select="Max"):
    listed = [{"type": kind, "value": value, "periodSeconds": period} for kind, value, period in policies]
    return {direction: {"stabilizationWindowSeconds": window, "selectPolicy": select, "policies": listed}}


def spec(**behavior):
    found = {"minReplicas": 2, "maxReplicas": 50}
    return {**found, "behavior": behavior} if behavior else found


def told(one, current, wanted, memory=None, now=1000.0):
    found = decide(one, current, wanted, memory or Memory(), now)
    return found.replicas, found.able[0], found.limit[0], found.limited


@pytest.mark.parametrize(
    ("current", "wanted", "expected"),
    [
        (3, 3, (3, "ReadyForNewScale", "DesiredWithinRange", False)),
        (3, 5, (5, "ReadyForNewScale", "DesiredWithinRange", False)),
        (3, 9, (6, "ReadyForNewScale", "ScaleUpLimit", True)),
        (1, 9, (4, "ReadyForNewScale", "ScaleUpLimit", True)),
        (40, 70, (50, "ReadyForNewScale", "TooManyReplicas", True)),
        (10, 1, (2, "ReadyForNewScale", "TooFewReplicas", True)),
    ],
)
def test_without_a_behavior_the_number_at_most_doubles(current, wanted, expected):
    assert told(spec(), current, wanted) == expected


def test_less_is_asked_for_only_when_it_was_for_five_minutes():
    memory = Memory([(800.0, 9), (950.0, 7)])
    assert told(spec(), 10, 4, memory) == (9, "ScaleDownStabilized", "DesiredWithinRange", False)
    assert memory.recommendations[-1] == (1000.0, 4)
    assert told(spec(), 10, 4, memory, now=1101.0)[0] == 7
    assert told(spec(), 10, 4, memory, now=1260.0)[0] == 4


def test_a_window_upwards_takes_the_lowest():
    one = spec(**rules("scaleUp", ("Pods", 10, 60), window=60))
    memory = Memory([(930.0, 4), (970.0, 6)])
    assert told(one, 5, 8, memory) == (6, "ScaleUpStabilized", "DesiredWithinRange", False)


@pytest.mark.parametrize(
    ("select", "expected"),
    [("Max", (20, "ScaleUpLimit")), ("Min", (14, "ScaleUpLimit")), ("Disabled", (10, "ScaleUpLimit"))],
)
def test_policies_upwards(select, expected):
    one = spec(**rules("scaleUp", ("Pods", 4, 60), ("Percent", 100, 60), select=select))
    replicas, _, limit, limited = told(one, 10, 40)
    assert ((replicas, limit), limited) == (expected, True)


@pytest.mark.parametrize(("select", "expected"), [("Max", 5), ("Min", 8), ("Disabled", 10)])
def test_policies_downwards(select, expected):
    one = spec(**rules("scaleDown", ("Pods", 2, 60), ("Percent", 50, 60), select=select))
    assert told(one, 10, 2) == (expected, "ReadyForNewScale", "ScaleDownLimit", True)


def test_what_was_done_within_the_period_counts():
    one = spec(**rules("scaleUp", ("Pods", 4, 60)))
    assert told(one, 13, 40, Memory(changes=[(970.0, 3)]))[0] == 14
    assert told(one, 14, 40, Memory(changes=[(970.0, 4)])) == (14, "ReadyForNewScale", "ScaleUpLimit", True)
    assert told(one, 14, 40, Memory(changes=[(930.0, 4)]))[0] == 18


def test_a_memory_reaches_back_as_far_as_it_is_asked_for():
    assert longest_memory(spec()) == 300
    one = spec(**rules("scaleUp", ("Pods", 4, 1800)), **rules("scaleDown", ("Pods", 1, 60), window=600))
    assert longest_memory(one) == 1800
    memory = Memory([(10.0, 1), (20.0, 2)], [(10.0, 1)])
    memory.forget(15.0)
    assert (memory.recommendations, memory.changes) == ([(20.0, 2)], [])


def test_tolerances_come_from_the_behavior():
    found = tolerances({"behavior": {"scaleUp": {"tolerance": "0.02"}, "scaleDown": {}}})
    assert (found.up, found.down) == (0.02, 0.1)
