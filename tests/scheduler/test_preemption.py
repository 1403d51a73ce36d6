from scheduler.cycle import schedule
from scheduler.preemption import preempt
from tests.scheduler.builders import PROFILE, node, pod, snapshot


def attempt(p, snap):
    decision = schedule(PROFILE, p, snap)
    assert decision.diagnosis is not None
    return preempt(PROFILE, p, snap, decision.diagnosis)


def test_the_lowest_priority_victim_is_enough():
    snap = snapshot(pods=[pod("low", cpu="2", priority=1, node="n1"), pod("mid", cpu="2", priority=5, node="n1")])
    found = attempt(pod(cpu="2", priority=10), snap)
    assert found.candidate.node_name == "n1"
    assert [v.name for v in found.candidate.victims] == ["low"]
    assert len(snap.nodes["n1"].pods) == 2, "the snapshot itself is not touched"


def test_equal_priority_is_never_evicted():
    snap = snapshot(pods=[pod("same", cpu="4", priority=10, node="n1")])
    found = attempt(pod(cpu="2", priority=10), snap)
    assert found.candidate is None
    assert found.message == ("preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.")


def test_not_helpful_when_the_node_could_never_fit():
    found = attempt(pod(cpu="40", priority=10), snapshot(pods=[pod("low", cpu="2", node="n1")]))
    assert found.message == "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."


def test_the_never_policy_is_kept():
    snap = snapshot(pods=[pod("low", cpu="4", node="n1")])
    found = attempt(pod(cpu="2", priority=10, preemptionPolicy="Never"), snap)
    assert found.message == "preemption: not eligible due to preemptionPolicy=Never."


def test_disruption_budgets_steer_the_choice():
    snap = snapshot(
        node("a"),
        node("b"),
        pods=[pod("x", cpu="4", priority=1, labels={"app": "x"}, node="a"), pod("y", cpu="4", priority=5, node="b")],
    )
    budget = {
        "metadata": {"namespace": "default", "name": "x"},
        "spec": {"selector": {"matchLabels": {"app": "x"}}},
        "status": {"disruptionsAllowed": 0},
    }
    snap.set_object("poddisruptionbudgets", "default/x", budget)
    found = attempt(pod(cpu="2", priority=10), snap)
    assert found.candidate.node_name == "b"


def test_a_promised_node_is_kept_for_the_promised_pod():
    snap = snapshot()
    important = pod("vip", cpu="3", priority=10, status={"nominatedNodeName": "n1"})
    snap.nominate(important, "n1")
    assert not schedule(PROFILE, pod(cpu="2", priority=1), snap).node_name
    assert schedule(PROFILE, pod(cpu="2", priority=11), snap).node_name == "n1"
    assert schedule(PROFILE, important, snap).node_name == "n1"
