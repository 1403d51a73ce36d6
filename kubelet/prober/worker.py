"""One probe of one running container: its rhythm and thresholds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from kubelet.prober.probe import Verdict

Obj = dict[str, Any]


class ProbeType(Enum):
    """The three probes; the value names the field of the container."""

    STARTUP = "startupProbe"
    LIVENESS = "livenessProbe"
    READINESS = "readinessProbe"

    @property
    def title(self) -> str:
        """As it stands in events."""
        return self.value.removesuffix("Probe").capitalize()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a row of equal outcomes counts."""

    period: float
    initial_delay: float
    success: int
    failure: int

    @staticmethod
    def of(probe: Obj) -> Thresholds:
        """From the spec, with upstream's defaults."""
        return Thresholds(
            period=float(probe.get("periodSeconds") or 10),
            initial_delay=float(probe.get("initialDelaySeconds") or 0),
            success=int(probe.get("successThreshold") or 1),
            failure=int(probe.get("failureThreshold") or 3),
        )


@dataclass(slots=True)
class Row:
    """Counts equal outcomes in a row; pure."""

    thresholds: Thresholds
    last: Verdict | None = None
    count: int = 0

    def add(self, verdict: Verdict) -> bool | None:
        """Count one; returns the result once a threshold is reached."""
        if verdict is Verdict.UNKNOWN:
            return None
        self.count = self.count + 1 if verdict is self.last else 1
        self.last = verdict
        needed = self.thresholds.success if verdict is Verdict.SUCCESS else self.thresholds.failure
        return (verdict is Verdict.SUCCESS) if self.count >= needed else None


async def run(
    probe: Obj,
    age: float,
    try_once: Callable[[], Awaitable[Verdict]],
    publish: Callable[[bool], bool],
    *,
    allowed: asyncio.Event | None = None,
) -> None:
    """Probe until cancelled or until `publish` says that it is enough.

    Args:
        probe: The probe's spec.
        age: How long the container has been running.
        try_once: One attempt.
        publish: Takes a result that reached its threshold; returns whether to go on.
        allowed: Set once the startup probe has passed.
    """
    thresholds = Thresholds.of(probe)
    if thresholds.initial_delay > age:
        await asyncio.sleep(thresholds.initial_delay - age)
    if allowed is not None:
        await allowed.wait()
    row = Row(thresholds)
    while True:
        outcome = row.add(await try_once())
        if outcome is not None and not publish(outcome):
            return
        await asyncio.sleep(thresholds.period)
