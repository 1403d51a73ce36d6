"""Which pods count when a metric is averaged: ready ones, those not ready yet, those without a reading (pure).

All amounts are thousandths, as upstream computes with.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from apimachinery.objects.conditions import get_condition
from apimachinery.objects.metadata import Obj, is_deleting, name, namespace
from apimachinery.objects.pods import is_sidecar
from apimachinery.objects.quantity import milli_value
from apimachinery.objects.times import parse_time

_CPU_INITIALIZATION = datetime.timedelta(minutes=5)
_INITIAL_READINESS = datetime.timedelta(seconds=30)


class MetricError(Exception):
    """A metric can't be had or gives no number of replicas."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one pod uses.

    Attributes:
        value: In thousandths.
        at: When it was measured.
        window: Over how many seconds before that.
    """

    value: int
    at: datetime.datetime
    window: float


@dataclass(slots=True)
class Groups:
    """Pods told apart.

    Attributes:
        ready: How many count as they are.
        unready: Names of those that may use more once they are ready.
        missing: Names of those without a reading.
    """

    ready: int = 0
    unready: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)


def group(pods: Iterable[Obj], readings: dict[str, Reading], resource: str, now: datetime.datetime) -> Groups:
    """Tell pods apart, and drop the readings that don't count.

    Args:
        pods: All that are selected.
        readings: By pod; changed in place.
        resource: `cpu` is given time to settle after a pod has started.
        now: The time.
    """
    found = Groups()
    for pod in pods:
        status, title = pod.get("status") or {}, name(pod)
        if is_deleting(pod) or status.get("phase") == "Failed":
            readings.pop(title, None)
        elif status.get("phase") == "Pending":
            found.unready.add(title)
        elif title not in readings:
            found.missing.add(title)
        elif resource == "cpu" and _settles(status, readings[title], now):
            found.unready.add(title)
        else:
            found.ready += 1
    for title in found.unready:
        readings.pop(title, None)
    return found


def _settles(status: Obj, reading: Reading, now: datetime.datetime) -> bool:
    condition = get_condition(status, "Ready")
    if condition is None or not status.get("startTime"):
        return True
    started, unready = parse_time(status["startTime"]), condition.get("status") == "False"
    changed = parse_time(condition["lastTransitionTime"]) if condition.get("lastTransitionTime") else started
    if started + _CPU_INITIALIZATION > now:
        return unready or reading.at < changed + datetime.timedelta(seconds=reading.window)
    return unready and started + _INITIAL_READINESS > changed


def requests(pods: Iterable[Obj], resource: str, container: str) -> dict[str, int]:
    """What each pod asks for, in thousandths.

    Args:
        pods: All that are selected.
        resource: Such as cpu.
        container: The one that counts; empty for all of a pod.

    Raises:
        MetricError: where one asks for nothing.
    """
    found = {}
    for pod in pods:
        spec = pod.get("spec") or {}
        sidecars = [one for one in spec.get("initContainers") or () if is_sidecar(one)]
        counted = [*(spec.get("containers") or ()), *sidecars]
        total = 0
        for one in counted:
            if container and one["name"] != container:
                continue
            asked: Mapping[str, str] = (one.get("resources") or {}).get("requests") or {}
            if resource not in asked:
                raise MetricError(
                    f"missing request for {resource} in container {one['name']} of Pod {namespace(pod)}/{name(pod)}"
                )
            total += milli_value(asked[resource])
        found[name(pod)] = total
    return found
