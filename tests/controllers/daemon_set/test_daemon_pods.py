import datetime

import pytest

from controllers.daemon_set.daemon_pods import by_node, daemon_template, is_updated, work
from controllers.daemon_set.placement import Placement, node_affinity

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
RUN, STAY, NEITHER = Placement(run=True, stay=True), Placement(run=False, stay=True), Placement(run=False, stay=False)


def pod(name, digest="new", *, node="n1", bound=True, phase="Running", ready=True, deleting=False, made=0):
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T11:59:55Z"}
    meta = {"name": name, "labels": {"controller-revision-hash": digest}}
    return {
        "metadata": {
            **meta,
            "creationTimestamp": f"2026-01-01T11:00:{made:02d}Z",
            **({"deletionTimestamp": "x"} if deleting else {}),
        },
        "spec": {"nodeName": node} if bound else {"affinity": node_affinity(None, node)},
        "status": {"phase": phase, "conditions": [condition]},
    }


def live(seconds=0, **rolling):
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    return {"metadata": {"name": "ds"}, "spec": {"updateStrategy": strategy, "minReadySeconds": seconds}}


def todo(one, pods, placement=RUN):
    """In short: `+n1` makes a pod there, `-a` deletes pod a, `!a` deletes an ended one."""
    found = work(one, by_node(pods), {"n1": placement}, "new", NOW)
    names = [f"-{pod['metadata']['name']}" for pod in found.delete]
    ended = [f"!{pod['metadata']['name']}" for pod in found.ended]
    return " ".join([*(f"+{node}" for node in found.create), *sorted(names), *ended])


@pytest.mark.parametrize(
    ("pods", "placement", "expected"),
    [
        ([], RUN, "+n1"),
        ([], STAY, ""),
        ([], NEITHER, ""),
        ([pod("a")], RUN, ""),
        ([pod("a", "old")], RUN, ""),
        ([pod("a", bound=False)], RUN, ""),
        ([pod("a", deleting=True)], RUN, ""),
        ([pod("a", deleting=True, phase="Failed")], RUN, "+n1"),
        ([pod("a")], STAY, ""),
        ([pod("a"), pod("b", deleting=True)], NEITHER, "-a"),
        ([pod("a", phase="Failed")], RUN, "!a"),
        ([pod("a", phase="Succeeded")], RUN, "!a"),
        ([pod("young", made=2), pod("old", made=1), pod("unbound", bound=False)], RUN, "-unbound -young"),
        ([pod("lost", node="gone", bound=False), pod("there", node="gone")], RUN, "+n1 -lost"),
        ([{"metadata": {"name": "adopted"}, "spec": {}}], RUN, "+n1"),
    ],
)
def test_each_node_has_one_pod(pods, placement, expected):
    assert todo(live(), pods, placement) == expected


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([pod("a", "old"), pod("b", ready=False)], ""),
        ([pod("a", "old"), pod("b")], "-a"),
        ([pod("a", "old", ready=False), pod("b", ready=False)], "-a"),
        ([pod("a", "old"), pod("b", ready=False), pod("c", made=1), pod("d", "old", made=1)], "-c -d"),
        ([pod("a", "old", deleting=True)], "+n1"),
        ([pod("a", phase="Failed")], "!a"),
    ],
)
def test_a_surge_keeps_the_old_pod_until_the_new_one_is_available(pods, expected):
    assert todo(live(maxSurge=1, maxUnavailable=0), pods) == expected


def test_a_surge_waits_for_min_ready_seconds():
    assert todo(live(seconds=10, maxSurge=1, maxUnavailable=0), [pod("a", "old"), pod("b")]) == ""


def test_a_pod_is_made_from_the_template_for_its_node():
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": []}}
    one = {
        "metadata": {"annotations": {"deprecated.daemonset.template.generation": "3"}},
        "spec": {"template": template},
    }
    made = daemon_template(one, "n1", "abc")
    labels = {"app": "x", "controller-revision-hash": "abc", "pod-template-generation": "3"}
    assert made["metadata"]["labels"] == labels
    assert made["spec"]["affinity"] == node_affinity(None, "n1")
    assert len(made["spec"]["tolerations"]) == 6
    assert template == {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": []}}


def test_a_pod_is_up_to_date_by_its_hash_or_its_generation():
    one = {"metadata": {"annotations": {"deprecated.daemonset.template.generation": "3"}}}
    by_generation = {"metadata": {"labels": {"pod-template-generation": "3"}}}
    assert is_updated(one, pod("a", "new"), "new")
    assert is_updated(one, by_generation, "new")
    assert not is_updated({"metadata": {}}, by_generation, "new")
