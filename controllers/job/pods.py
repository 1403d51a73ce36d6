"""What a Job sees in one of its pods (pure)."""

from typing import Final

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
    """Return when a pod ended, as a Unix time: its last container's end, else its deletion or creation."""
    status = pod.get("status") or {}
    ends = [
        ((row.get("state") or {}).get("terminated") or {}).get("finishedAt")
        for row in status.get("containerStatuses") or ()
    ]
    meta = pod.get("metadata") or {}
    told = [end for end in ends if end] or [meta.get("deletionTimestamp") or meta.get("creationTimestamp")]
    return max(parse_time(end).timestamp() for end in told if end) if any(told) else 0.0
