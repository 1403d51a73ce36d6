import datetime

from controllers.controller_revision import History
from controllers.stateful_set.status import count

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
OLD, NEW = ({"metadata": {"name": name}} for name in ("old", "new"))


def pod(number, revision, *, ready=True, deleting=False):
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": "2026-01-01T11:59:55Z"}
    meta = {"name": f"web-{number}", "labels": {"controller-revision-hash": revision}}
    return {
        "metadata": {**meta, **({"deletionTimestamp": "x"} if deleting else {})},
        "status": {"phase": "Running", "conditions": [condition]},
    }


def status(pods, replicas=2, seconds=0):
    spec = {"replicas": replicas, "minReadySeconds": seconds, "updateStrategy": {"type": "RollingUpdate"}}
    live = {"metadata": {"name": "web", "generation": 4}, "spec": spec}
    return count(live, pods, OLD, History((OLD, NEW), NEW, 0), NOW)


def test_pods_are_counted_by_revision_in_the_middle_of_an_update():
    told = status([pod(0, "old"), pod(1, "new", ready=False), pod(2, "old", deleting=True)])
    assert told == {
        "observedGeneration": 4,
        "replicas": 3,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "currentReplicas": 1,
        "updatedReplicas": 1,
        "currentRevision": "old",
        "updateRevision": "new",
        "collisionCount": 0,
    }


def test_a_finished_update_makes_the_new_revision_the_current_one():
    told = status([pod(0, "new"), pod(1, "new")])
    assert (told["currentRevision"], told["currentReplicas"], told["updatedReplicas"]) == ("new", 2, 2)


def test_availability_takes_min_ready_seconds():
    told = status([pod(0, "new"), pod(1, "new")], seconds=30)
    assert (told["readyReplicas"], told["availableReplicas"]) == (2, 0)


def test_an_empty_set_says_so():
    told = status([], replicas=0)
    assert (told["replicas"], told["availableReplicas"], told["currentRevision"]) == (0, 0, "new")
