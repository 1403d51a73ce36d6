import datetime

import pytest

from controllers.deployment.progress import conditions, counts, is_complete

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def deployment(replicas=2, *, deadline=600, paused=False, status=None):
    spec = {"replicas": replicas, "progressDeadlineSeconds": deadline, "strategy": {}, "paused": paused}
    return {"metadata": {"name": "web", "generation": 3}, "spec": spec, "status": status or {}}


def replica_set(name, spec=0, **status):
    return {"metadata": {"name": name}, "spec": {"replicas": spec}, "status": status}


def row(kind, status, reason, *, updated="2026-01-01T11:59:00Z", message=""):
    times = {"lastUpdateTime": updated, "lastTransitionTime": updated}
    return {"type": kind, "status": status, "reason": reason, "message": message, **times}


def told(one, status, failure=None, new="web-new"):
    rows, again = conditions(one, status, replica_set(new), NOW, failure)
    return {entry["type"]: (entry["status"], entry["reason"]) for entry in rows}, again


def test_numbers_are_summed_over_all_sets():
    new = replica_set("new", 2, replicas=1, readyReplicas=1, availableReplicas=1)
    old = replica_set("old", 1, replicas=1, readyReplicas=1, availableReplicas=1, terminatingReplicas=2)
    assert counts(deployment(), [new, old], new) == {
        "observedGeneration": 3,
        "replicas": 2,
        "updatedReplicas": 1,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "unavailableReplicas": 1,
        "terminatingReplicas": 2,
    }
    assert counts(deployment(), [], None) == {"observedGeneration": 3}


DONE = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
HALF = {"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2}


def test_complete_means_all_new_all_available_none_old():
    assert is_complete(deployment(), DONE)
    assert not is_complete(deployment(), {**DONE, "replicas": 3})
    assert not is_complete(deployment(), HALF)


def test_a_finished_rollout_is_available_and_has_progressed():
    found, again = told(deployment(), DONE)
    assert found == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    assert again is None


def test_a_rollout_that_moves_starts_its_deadline_anew():
    old = {**HALF, "updatedReplicas": 0, "conditions": [row("Progressing", "True", "ReplicaSetUpdated")]}
    found, again = told(deployment(status=old), HALF)
    assert found["Progressing"] == ("True", "ReplicaSetUpdated")
    assert again == 600


@pytest.mark.parametrize(
    ("deadline", "reason", "again"), [(600, "ReplicaSetUpdated", 541), (30, "ProgressDeadlineExceeded", None)]
)
def test_a_rollout_that_stands_still_runs_into_its_deadline(deadline, reason, again):
    old = {**HALF, "conditions": [row("Progressing", "True", "ReplicaSetUpdated")]}
    found, look = told(deployment(deadline=deadline, status=old), HALF)
    assert (found["Progressing"][1], look) == (reason, again)


def test_a_paused_rollout_has_no_deadline():
    assert told(deployment(paused=True), HALF) == (
        {"Available": ("True", "MinimumReplicasAvailable"), "Progressing": ("Unknown", "DeploymentPaused")},
        None,
    )


def test_a_replica_sets_failure_is_shown_and_goes():
    failure = {"reason": "FailedCreate", "message": "quota"}
    found, _ = told(deployment(), HALF, failure)
    assert found["ReplicaFailure"] == ("True", "FailedCreate")
    old = {**HALF, "conditions": [row("ReplicaFailure", "True", "FailedCreate"), row("Mine", "True", "Own")]}
    found, _ = told(deployment(status=old), HALF)
    assert "ReplicaFailure" not in found
    assert found["Mine"] == ("True", "Own")
