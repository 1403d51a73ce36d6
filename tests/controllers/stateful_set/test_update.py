import datetime

import pytest

from controllers.stateful_set.update import Create, Delete, Plan, next_look

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
LONG_AGO = "2026-01-01T11:00:00Z"


def pod(number, revision="new", *, phase="Running", ready=True, deleting=False, since=LONG_AGO):
    return {
        "metadata": {
            "name": f"web-{number}",
            "uid": f"u{number}",
            "labels": {"controller-revision-hash": revision},
            **({"deletionTimestamp": "x"} if deleting else {}),
        },
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": since}],
        },
    }


def live(replicas=3, *, parallel=False, start=0, strategy="RollingUpdate", seconds=0, **rolling):
    update = {"type": strategy, **({"rollingUpdate": rolling} if strategy == "RollingUpdate" else {})}
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "s"},
        "spec": {
            "replicas": replicas,
            "podManagementPolicy": "Parallel" if parallel else "OrderedReady",
            "updateStrategy": update,
            "ordinals": {"start": start},
            "minReadySeconds": seconds,
        },
    }


def steps(one, pods, waits=lambda _: False):
    """Steps in short: `+2` makes web-2 from the new revision, `=2` from the old one, `-2` deletes it."""
    told = []
    for step in Plan(one, pods, "new", NOW, waits).steps():
        if isinstance(step, Create):
            told.append(f"{'+' if step.updated else '='}{step.ordinal}")
        elif isinstance(step, Delete):
            told.append(f"-{step.pod['metadata']['name'].split('-')[1]}{step.why}")
    return " ".join(told)


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([], "+0"),
        ([pod(0, phase="Pending", ready=False)], ""),
        ([pod(0, ready=False)], ""),
        ([pod(0, deleting=True)], ""),
        ([pod(0)], "+1"),
        ([pod(1), pod(2)], "+0"),
        ([pod(0), pod(1), pod(2)], ""),
        ([pod(0), pod(1, phase="Failed", ready=False), pod(2)], "-1Failed"),
        ([pod(0), pod(1, phase="Succeeded", ready=False), pod(2)], "-1Succeeded"),
        ([pod(0), pod(1, phase="Failed", ready=False, deleting=True), pod(2)], ""),
    ],
)
def test_ordered_pods_come_one_after_the_other(pods, expected):
    assert steps(live(), pods) == expected


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([], "+0 +1 +2"),
        ([pod(0, ready=False), pod(2, phase="Failed")], "+1 -2Failed"),
        ([pod(0), pod(1), pod(2), pod(3), pod(5), pod(4, deleting=True)], "-5 -3"),
    ],
)
def test_parallel_pods_come_and_go_at_once(pods, expected):
    assert steps(live(parallel=True), pods) == expected


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([pod(0), pod(1), pod(2)], "-2"),
        ([pod(0), pod(1), pod(2, deleting=True)], ""),
        # Nothing is scaled away while a pod that stays is not well.
        ([pod(0, ready=False), pod(1), pod(2)], ""),
        # The only condemned pod that is not well may go, others wait for it.
        ([pod(0), pod(1), pod(2, ready=False)], "-2"),
        ([pod(0), pod(1, ready=False), pod(2, ready=False)], ""),
        ([pod(0), pod(1, ready=False), pod(2)], "-2"),
    ],
)
def test_scaling_down_goes_from_the_last_to_the_first(pods, expected):
    assert steps(live(1), pods) == expected


def test_ordinals_may_begin_elsewhere():
    assert steps(live(2, start=5), [pod(5)]) == "+6"
    assert steps(live(2, start=5), [pod(4), pod(5), pod(6)]) == "-4"
    assert steps(live(2, start=5, partition=1), []) == "=5"
    assert steps(live(2, start=5, partition=1), [pod(5, "old"), pod(6, "old")]) == "-6"


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([pod(0, "old"), pod(1, "old"), pod(2, "old")], "-2"),
        ([pod(0, "old"), pod(1, "old"), pod(2, "new")], "-1"),
        ([pod(0, "old"), pod(1, "old"), pod(2, "new", ready=False)], ""),
        ([pod(0, "old"), pod(1, "new"), pod(2, "new")], "-0"),
        ([pod(0, "new"), pod(1, "new"), pod(2, "new")], ""),
    ],
)
def test_a_rolling_update_goes_from_the_last_to_the_first(pods, expected):
    assert steps(live(partition=0), pods) == expected


def test_a_partition_keeps_the_pods_below_it():
    old = [pod(number, "old") for number in range(3)]
    assert steps(live(partition=2), old) == "-2"
    assert steps(live(partition=2), [*old[:2], pod(2)]) == ""
    assert steps(live(partition=2), [pod(1, "old"), pod(2)]) == "=0"
    assert steps(live(partition=3), old) == ""
    assert steps(live(partition=2), old[:2]) == "+2"


def test_on_delete_replaces_only_what_others_delete():
    one = live(strategy="OnDelete")
    assert steps(one, [pod(number, "old") for number in range(3)]) == ""
    assert steps(one, [pod(0, "old"), pod(2, "old")]) == "+1"


@pytest.mark.parametrize(
    ("limit", "pods", "expected"),
    [
        (2, [pod(number, "old") for number in range(4)], "-3 -2"),
        ("50%", [pod(number, "old") for number in range(4)], "-3 -2"),
        ("10%", [pod(number, "old") for number in range(4)], "-3"),
        (2, [pod(0, "old"), pod(1, "old"), pod(2, "old"), pod(3, ready=False)], "-2"),
        (2, [pod(0, "old"), pod(1, "old"), pod(2, ready=False), pod(3, deleting=True)], ""),
        # What is away already may be replaced for nothing.
        (1, [pod(0, "old"), pod(1, "old", ready=False), pod(2), pod(3)], "-1"),
    ],
)
def test_max_unavailable_replaces_several_at_once(limit, pods, expected):
    assert steps(live(4, parallel=True, maxUnavailable=limit), pods) == expected


def test_min_ready_seconds_hold_up_the_next_pod():
    fresh = pod(0, since="2026-01-01T11:59:55Z")
    assert steps(live(seconds=10), [fresh]) == ""
    assert next_look(live(seconds=10), [fresh], NOW) == pytest.approx(5.05)
    assert steps(live(seconds=5), [fresh]) == "+1"
    assert next_look(live(seconds=5), [fresh], NOW) is None


def test_a_pod_waits_for_an_old_claim_to_go():
    assert steps(live(), [pod(0)], lambda number: number == 1) == ""
    assert steps(live(parallel=True), [pod(0)], lambda number: number == 1) == "+2"
