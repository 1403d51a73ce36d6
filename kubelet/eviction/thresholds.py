"""Pure: when the node is short of something, and which pod goes first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubelet.resources.amounts import pod_requests, whole
from kubelet.resources.qos import is_critical

Obj = dict[str, Any]

DEFAULTS = {
    "memory.available": "100Mi",
    "nodefs.available": "10%",
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
}
RESOURCES = {
    "memory.available": "memory",
    "nodefs.available": "ephemeral-storage",
    "nodefs.inodesFree": "inodes",
    "imagefs.available": "ephemeral-storage",
    "imagefs.inodesFree": "inodes",
}
CONDITIONS = {"memory.available": "MemoryPressure"}


@dataclass(frozen=True, slots=True)
class Observation:
    """One signal: what is left of how much."""

    available: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Breach:
    """A threshold that is crossed."""

    signal: str
    threshold: int
    available: int

    @property
    def resource(self) -> str:
        """What is short, as messages call it."""
        return RESOURCES[self.signal]

    @property
    def condition(self) -> str:
        """The node condition it causes."""
        return CONDITIONS.get(self.signal, "DiskPressure")


def quantity(value: str, capacity: int) -> int:
    """A threshold as a number: a quantity, or a percentage of the capacity."""
    return int(capacity * float(value[:-1]) / 100) if value.endswith("%") else whole(value)


def breaches(thresholds: Mapping[str, str], observed: Mapping[str, Observation]) -> list[Breach]:
    """The crossed thresholds, memory first."""
    found = []
    for signal, value in thresholds.items():
        seen = observed.get(signal)
        if seen is None or signal not in RESOURCES:
            continue
        limit = quantity(str(value), seen.capacity)
        if limit > 0 and seen.available < limit:
            found.append(Breach(signal, limit, seen.available))
    return sorted(found, key=lambda b: b.resource != "memory")


def rank(pods: list[Obj], usage: Mapping[str, int], resource: str) -> list[Obj]:
    """Candidates in the order they go: over their request first, then low priority, then most over. Critical pods
    never go.
    """

    def order(pod: Obj) -> tuple[bool, int, int]:
        over = usage.get(pod["metadata"]["uid"], 0) - pod_requests(pod).get(resource, 0)
        return over <= 0, int(pod["spec"].get("priority") or 0), -over

    return sorted((p for p in pods if not is_critical(p)), key=order)


def message(breach: Breach, pod: Obj, used: int) -> str:
    """The eviction message, as upstream words it."""
    text = (
        f"The node was low on resource: {breach.resource}. "
        f"Threshold quantity: {breach.threshold}, available: {breach.available}. "
    )
    request = pod_requests(pod).get(breach.resource, 0)
    if used > request:
        name = pod["spec"]["containers"][0]["name"]
        text += (
            f"Container {name} was using {used}, request is {request}, has larger consumption of {breach.resource}. "
        )
    return text
