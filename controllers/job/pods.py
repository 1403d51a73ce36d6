"""What a Job sees in one of its pods (pure)."""

from typing import Final

from apimachinery.objects.conditions import get_condition
from apimachinery.objects.metadata import Obj, annotations, finalizers, is_deleting
from apimachinery.objects.times import parse_time

FINALIZER: Final = "batch.kubernetes.io/job-tracking"
INDEX: Final = "batch.kubernetes.io/job-completion-index"
FAILURES: Final = "batch.kubernetes.io/job-index-failure-count"
IGNORED: Final = "batch.kubernetes.io/job-index-ignored-failure-count"


def phase(pod: Obj) -> str:
    """Return the phase."""
    told: str = (pod.get("status") or {}).get("phase") or "Pending"
    return told


def is_tracked(pod: Obj) -> bool:
    """Tell whether the pod has not been counted for good."""
    return FINALIZER in finalizers(pod)


def is_failed(pod: Obj, *, only_failed: bool) -> bool:
    """Tell whether a pod counts as a failure.

    Args:
        pod: The pod.
        only_failed: Whether a pod that is being deleted is still waited for (`podReplacementPolicy: Failed`).
    """
    return phase(pod) == "Failed" or (not only_failed and is_deleting(pod) and phase(pod) != "Succeeded")


def completion_index(pod: Obj) -> int:
    """Return the completion index, or -1."""
    text = annotations(pod).get(INDEX, "")
    return int(text) if text.isdecimal() else -1


def index_failures(pod: Obj) -> int:
    """Return how often its index had failed before this pod."""
    text = annotations(pod).get(FAILURES, "0")
    return int(text) if text.isdecimal() else 0


def restarts(pod: Obj) -> int:
    """Return the restarts of all containers."""
    status = pod.get("status") or {}
    rows = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return sum(int(row.get("restartCount") or 0) for row in rows)


def finished_at(pod: Obj) -> float:
    """Return when a pod ended, as a Unix time.

    That is its last container's end, else when it ceased to be ready, else when its deletion was asked for, else its
    creation.
    """
    status, meta = pod.get("status") or {}, pod.get("metadata") or {}
    rows = status.get("containerStatuses") or ()
    ends = [((row.get("state") or {}).get("terminated") or {}).get("finishedAt") for row in rows]
    known = [end for end in ends if end]
    if known and len(known) == len(ends):
        return max(_unix(end) for end in known)
    unready = get_condition(status, "Ready") or {}
    if unready.get("status") == "False" and unready.get("lastTransitionTime"):
        return _unix(unready["lastTransitionTime"])
    if meta.get("deletionTimestamp"):
        return _unix(meta["deletionTimestamp"]) - (meta.get("deletionGracePeriodSeconds") or 0)
    return _unix(meta["creationTimestamp"]) if meta.get("creationTimestamp") else 0.0


def _unix(text: str) -> float:
    return parse_time(text).timestamp()
