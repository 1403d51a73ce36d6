import datetime

import pytest

from controllers.disruption import count, share, status

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def pod(name, *, ready=True, deleting=False):
    meta = {"name": name, **({"deletionTimestamp": "x"} if deleting else {})}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": meta, "status": {"phase": "Running", "conditions": conditions}}


def budget(disrupted=None, **spec):
    return {"metadata": {"generation": 3}, "spec": spec, "status": {"disruptedPods": disrupted or {}}}


PODS = [pod("a"), pod("b"), pod("c", ready=False), pod("d", deleting=True)]


@pytest.mark.parametrize(
    ("spec", "desired", "allowed"),
    [
        ({"minAvailable": 1}, 1, 1),
        ({"minAvailable": 2}, 2, 0),
        ({"minAvailable": "50%"}, 2, 0),
        ({"maxUnavailable": 1}, 3, 0),
        ({"maxUnavailable": "75%"}, 1, 1),
        ({"maxUnavailable": 9}, 0, 2),
    ],
)
def test_how_many_may_go(spec, desired, allowed):
    counted = count(budget(**spec), PODS, 4, NOW)
    assert (counted.healthy, counted.desired, counted.allowed) == (2, desired, allowed)


def test_no_pods_allow_no_disruption():
    assert count(budget(maxUnavailable=1), [], 0, NOW).allowed == 0


def test_disrupted_pods_count_as_gone_until_seen_or_forgotten():
    noted = {
        "a": "2026-01-01T11:59:00Z",
        "b": "2026-01-01T11:00:00Z",
        "d": "2026-01-01T11:59:59Z",
        "z": "2026-01-01T11:59:59Z",
    }
    counted = count(budget(noted, minAvailable=0), PODS, 4, NOW)
    assert counted.disrupted == {"a": "2026-01-01T11:59:00Z"}
    assert counted.healthy == 1
    assert counted.next_look == 60


def test_the_status_follows_the_generation():
    made = status(budget(minAvailable=1), count(budget(minAvailable=1), PODS, 4, NOW), "now")
    assert made["observedGeneration"] == 3
    assert made["disruptionsAllowed"] == 1
    assert made["conditions"][0]["reason"] == "SufficientPods"


def test_percentages_round_up():
    assert share("34%", 3) == 2
    assert share(2, 3) == 2
