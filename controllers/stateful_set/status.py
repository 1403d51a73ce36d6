"""The status of a StatefulSet, counted from its pods (pure)."""

import datetime

from apimachinery.objects.metadata import Obj, is_deleting, metadata, name
from controllers.controller_revision import History
from controllers.stateful_set.identity import replicas, revision_of
from controllers.stateful_set.update import is_available, is_running_and_ready, phase

_ALWAYS = ("replicas", "availableReplicas", "collisionCount")


def count(live: Obj, pods: list[Obj], current: Obj, history: History, now: datetime.datetime) -> Obj:
    """The status.

    Args:
        live: The set.
        pods: Its pods.
        current: The revision that the set comes from.
        history: All revisions.
        now: The time.
    """
    made = [pod for pod in pods if phase(pod)]
    staying = [pod for pod in made if not is_deleting(pod)]
    update = name(history.update)
    status: Obj = {
        "observedGeneration": metadata(live).get("generation", 0),
        "replicas": len(made),
        "readyReplicas": sum(is_running_and_ready(pod) for pod in made),
        "availableReplicas": sum(is_available(live, pod, now) for pod in made),
        "currentReplicas": sum(revision_of(pod) == name(current) for pod in staying),
        "updatedReplicas": sum(revision_of(pod) == update for pod in staying),
        "currentRevision": name(current),
        "updateRevision": update,
        "collisionCount": history.collisions,
    }
    if _is_complete(live, status):
        status["currentReplicas"] = status["updatedReplicas"]
        status["currentRevision"] = update
    conditions = (live.get("status") or {}).get("conditions")
    if conditions:
        status["conditions"] = conditions
    return {field: value for field, value in status.items() if value or field in _ALWAYS}


def _is_complete(live: Obj, status: Obj) -> bool:
    """Whether a rolling update has reached every pod."""
    kind = (live["spec"].get("updateStrategy") or {}).get("type")
    counted = (status["updatedReplicas"], status["readyReplicas"], status["replicas"])
    return kind == "RollingUpdate" and counted == (replicas(live),) * 3
