"""A priority level: how many of its requests run, and who of those that wait is next. A pure machine.

A level's unlendable seats are always its own; the lendable ones of all levels are a pool from which each may take up
to its borrowing limit. Those that wait do so in flows, and the flow that has used the least goes first. Upstream
deals flows out to a fixed number of queues; here each flow has its own, and the limits are those that flow would meet:
one flow may fill its hand of queues, all flows together the whole level.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from apimachinery.objects.metadata import Obj

_EXEMPT_WEIGHT: Final = 100
_LEARN: Final = 0.1


@dataclass(slots=True)
class Limits:
    """What a PriorityLevelConfiguration allows, in seats and waiting requests.

    Attributes:
        weight: its part of the processor while there is not enough for all.
        nominal: the seats it is meant to have.
        minimum: the seats nobody else may take.
        maximum: the seats it may hold with what it borrows.
        flow_waiting: how many of one flow may wait.
        waiting: how many may wait in all.
    """

    weight: float = _EXEMPT_WEIGHT
    exempt: bool = True
    nominal: int = 0
    minimum: int = 0
    maximum: int = 0
    flow_waiting: int = 0
    waiting: int = 0

    @property
    def waits(self) -> bool:
        """Whether requests may wait at all."""
        return self.exempt or self.waiting > 0


def shares(spec: Obj) -> int:
    """Return a level's nominal concurrency shares."""
    part = spec.get("limited") if spec.get("type") == "Limited" else spec.get("exempt")
    found = (part or {}).get("nominalConcurrencyShares")
    if found is None:
        return 30 if spec.get("type") == "Limited" else 0
    return int(found)


def limits(specs: Mapping[str, Obj], seats: int) -> dict[str, Limits]:
    """Divide the server's seats among levels."""
    total = sum(shares(spec) for spec in specs.values())
    out = {}
    for name, spec in specs.items():
        part = shares(spec)
        if spec.get("type") != "Limited":
            out[name] = Limits(weight=max(part, _EXEMPT_WEIGHT))
            continue
        limited = spec.get("limited") or {}
        nominal = math.ceil(seats * part / total) if total else 0
        lendable = round(nominal * (limited.get("lendablePercent") or 0) / 100)
        borrowing = limited.get("borrowingLimitPercent")
        most = seats if borrowing is None else nominal + round(nominal * borrowing / 100)
        response = limited.get("limitResponse") or {}
        queuing = (response.get("queuing") or {}) if response.get("type") == "Queue" else {}
        length = queuing.get("queueLengthLimit") or 0
        out[name] = Limits(
            weight=max(part, 1),
            exempt=False,
            nominal=nominal,
            minimum=nominal - lendable,
            maximum=max(most, nominal),
            flow_waiting=length * (queuing.get("handSize") or 0),
            waiting=length * (queuing.get("queues") or 0),
        )
    return out


@dataclass(slots=True, eq=False)
class Flow:
    """The waiting requests of one flow, and what those before them have cost."""

    name: tuple[str, str]
    used: float = 0.0
    waiting: deque[Any] = field(default_factory=deque)


class Level:
    """The state of one priority level."""

    __slots__ = ("_flows", "_heap", "_order", "average", "limits", "name", "running", "uid", "used", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.uid = ""
        self.limits = Limits()
        self.running = 0
        self.waiting = 0
        self.used = 0.0
        self.average = 0.001
        self._flows: dict[tuple[str, str], Flow] = {}
        self._heap: list[tuple[float, int, Flow]] = []
        self._order = count()

    def has_room(self, flow: tuple[str, str]) -> bool:
        """Tell whether one more request of a flow may wait."""
        if self.limits.exempt:
            return True
        found = self._flows.get(flow)
        length = len(found.waiting) if found is not None else 0
        return self.waiting < self.limits.waiting and length < self.limits.flow_waiting

    def push(self, flow: tuple[str, str], item: Any) -> None:
        """Let a request wait."""
        found = self._flows.get(flow)
        if found is None:
            used = self._heap[0][0] if self._heap else 0.0
            found = self._flows[flow] = Flow(flow, used)
            heapq.heappush(self._heap, (found.used, next(self._order), found))
        found.waiting.append(item)
        self.waiting += 1

    def pop(self) -> tuple[Flow, Any]:
        """Take the next request: the oldest of the flow that has used the least."""
        while True:
            used, _, flow = heapq.heappop(self._heap)
            if used != flow.used:  # it was charged meanwhile
                heapq.heappush(self._heap, (flow.used, next(self._order), flow))
                continue
            item = flow.waiting.popleft()
            self.waiting -= 1
            flow.used += self.average
            self.used += self.average / self.limits.weight
            if flow.waiting:
                heapq.heappush(self._heap, (flow.used, next(self._order), flow))
            else:
                del self._flows[flow.name]
            return flow, item

    def remove(self, flow: tuple[str, str], item: Any) -> None:
        """Take a request out that waits no longer."""
        found = self._flows[flow]
        found.waiting.remove(item)
        self.waiting -= 1
        if not found.waiting:
            del self._flows[flow]
            self._heap = [entry for entry in self._heap if entry[2] is not found]
            heapq.heapify(self._heap)

    def learn(self, seconds: float, charged: float) -> None:
        """Count what a request has cost, of which a part was charged when it was taken."""
        self.used += (seconds - charged) / self.limits.weight
        self.average += (seconds - self.average) * _LEARN

    def flows(self) -> list[Flow]:
        """Return the flows that wait."""
        return list(self._flows.values())
