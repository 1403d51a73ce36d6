"""When a pod counts as available: ready for as long as its workload's minReadySeconds asks (pure)."""

import datetime

from apimachinery.objects.conditions import get_condition
from apimachinery.objects.metadata import Obj
from apimachinery.objects.pods import is_ready
from apimachinery.objects.times import seconds_since


def seconds_until_available(pod: Obj, least: int, now: datetime.datetime) -> float | None:
    """Seconds until a pod counts as available; 0 if it does, None if it is not ready.

    Args:
        pod: The pod.
        least: minReadySeconds.
        now: The time.
    """
    if not is_ready(pod):
        return None
    since = (get_condition(pod.get("status"), "Ready") or {}).get("lastTransitionTime")
    if not least or not since:
        return 0.0
    return max(0.0, least - seconds_since(since, now))
