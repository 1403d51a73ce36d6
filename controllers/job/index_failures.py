"""Failures of single indexes: how many there were, and how long each index waits (`backoffLimitPerIndex`; pure).

An index's failures are counted in an annotation of its pods. So that the count is not lost, its last failed pod stays
until another one has taken over.
"""

from collections.abc import Set

from apimachinery.objects.metadata import Obj, annotations, uid
from controllers.job.back_off import delay
from controllers.job.pod_failure_policy import judge
from controllers.job.pods import IGNORED, completion_index, finished_at, index_failures


def ignored_failures(pod: Obj) -> int:
    """Return how many failures of its index had been ignored before this pod."""
    text = annotations(pod).get(IGNORED, "0")
    return int(text) if text.isdecimal() else 0


def last_failures(failed: list[Obj], over: Set[int]) -> dict[int, Obj]:
    """Return the last failed pod of each index that is to be tried again.

    Args:
        failed: Pods that failed and still have their finalizer.
        over: Indexes that have ended, or that a pod works on.
    """
    last: dict[int, Obj] = {}
    for pod in failed:
        index = completion_index(pod)
        if index < 0 or index in over:
            continue
        if index not in last or _rank(pod) >= _rank(last[index]):
            last[index] = pod
    return last


def _rank(pod: Obj) -> tuple[int, float, str]:
    return index_failures(pod) + ignored_failures(pod), finished_at(pod), uid(pod)


def counts_after(spec: Obj, failed: Obj | None) -> tuple[int, int]:
    """Return the counted and the ignored failures of an index, with that of the pod that is replaced."""
    if failed is None:
        return 0, 0
    ignored = judge(spec.get("podFailurePolicy"), failed).action == "Ignore"
    return index_failures(failed) + (not ignored), ignored_failures(failed) + ignored


def remaining(failed: Obj | None, now: float) -> float:
    """Return the seconds until an index may be tried again.

    Args:
        failed: Its last failed pod, if there is one.
        now: This moment, as a Unix time.
    """
    if failed is None:
        return 0.0
    failures = index_failures(failed) + ignored_failures(failed) + 1
    return max(0.0, delay(failures) - (now - finished_at(failed)))


def due(indexes: list[int], last: dict[int, Obj], now: float) -> tuple[list[int], float]:
    """Return the indexes that may be tried now, and how long to wait if none may."""
    waits = {index: remaining(last.get(index), now) for index in indexes}
    ready = [index for index, wait in waits.items() if wait <= 0]
    return ready, 0.0 if ready else min(waits.values(), default=0.0)
