"""How seats are divided, and who of those that wait is next."""

from apiserver.flowcontrol.bootstrap import bootstrap_levels
from apiserver.flowcontrol.priority_level import Level, Limits, limits


def limited(shares, **more):
    return {"type": "Limited", "limited": {"nominalConcurrencyShares": shares, **more}}


def test_seats_are_divided_by_shares():
    found = limits({name: obj["spec"] for name, obj in bootstrap_levels().items()}, 600)
    nominal = {name: one.nominal for name, one in found.items()}
    # Upstream's figures for its default of 600.
    assert nominal == {
        "exempt": 0,
        "catch-all": 13,
        "system": 74,
        "node-high": 98,
        "leader-election": 25,
        "workload-high": 98,
        "workload-low": 245,
        "global-default": 49,
    }
    assert (found["system"].minimum, found["workload-low"].minimum) == (50, 25)


def test_what_is_lent_and_borrowed_is_bounded():
    found = limits({"a": limited(3, lendablePercent=50, borrowingLimitPercent=10), "b": limited(1)}, 40)
    assert (found["a"].nominal, found["a"].minimum, found["a"].maximum) == (30, 15, 33)
    assert (found["b"].nominal, found["b"].minimum, found["b"].maximum) == (10, 10, 40)


def test_only_levels_that_queue_let_wait():
    queuing = {"type": "Queue", "queuing": {"queues": 4, "handSize": 2, "queueLengthLimit": 3}}
    found = limits({"a": limited(1, limitResponse=queuing), "b": limited(1, limitResponse={"type": "Reject"})}, 10)
    assert (found["a"].flow_waiting, found["a"].waiting, found["a"].waits) == (6, 12, True)
    assert found["b"].waits is False


def level(**more):
    made = Level("x")
    made.limits = Limits(exempt=False, flow_waiting=3, waiting=4, **more)
    return made


def test_a_flow_may_not_take_all_room():
    made = level()
    for _ in range(3):
        assert made.has_room(("s", "a"))
        made.push(("s", "a"), object())
    assert not made.has_room(("s", "a"))
    assert made.has_room(("s", "b"))
    made.push(("s", "b"), object())
    assert not made.has_room(("s", "c"))


def test_flows_take_turns():
    made = level()
    for item in ("a1", "a2", "a3"):
        made.push(("s", "a"), item)
    made.push(("s", "b"), "b1")
    assert [made.pop()[1] for _ in range(4)] == ["a1", "b1", "a2", "a3"]
    assert made.waiting == 0


def test_a_flow_with_costly_requests_has_fewer():
    made = level()
    for item in ("a1", "a2"):
        made.push(("s", "a"), item)
    for item in ("b1", "b2", "b3"):
        made.push(("s", "b"), item)
    flow, item = made.pop()
    flow.used += 0.0025  # took longer than was thought: two and a half average requests more
    assert [item, *(made.pop()[1] for _ in range(4))] == ["a1", "b1", "b2", "b3", "a2"]


def test_what_waits_no_longer_is_taken_out():
    made = level()
    made.push(("s", "a"), "gone")
    made.push(("s", "b"), "b1")
    made.remove(("s", "a"), "gone")
    assert (made.waiting, made.pop()[1], made.flows()) == (1, "b1", [])
