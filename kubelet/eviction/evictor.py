"""Watches what the node is short of, ends one pod at a time until it is not, and tells the node's conditions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from component.clock import Clock
from component.logging import get_logger
from kubelet.event_reporter import EventReporter
from kubelet.eviction.thresholds import Observation, breaches, message, rank
from kubelet.node import machine
from kubelet.pod_workers import PodWorkers

Obj = dict[str, Any]

EVERY = 10.0
PRESSURE_HOLDS = 300.0

log = get_logger("kubelet.eviction")


def observe(root: str) -> dict[str, Observation]:
    """The signals of this machine; images share the kubelet's file system or are observed there."""
    disk = machine.disk(root)
    space = Observation(disk.free, disk.total)
    inodes = Observation(disk.inodes_free, disk.inodes)
    return {
        "memory.available": Observation(machine.memory_available(), machine.memory_bytes()),
        "nodefs.available": space,
        "nodefs.inodesFree": inodes,
        "imagefs.available": space,
        "imagefs.inodesFree": inodes,
    }


class Evictor:
    """One instance per kubelet."""

    def __init__(
        self,
        workers: PodWorkers,
        events: EventReporter,
        clock: Clock,
        thresholds: Mapping[str, str],
        look: Callable[[], dict[str, Observation]],
        memory_usage: Callable[[], Awaitable[dict[str, int]]],
        changed: Callable[[], None],
    ) -> None:
        self._workers = workers
        self._events = events
        self._clock = clock
        self._thresholds = thresholds
        self._look = look
        self._memory_usage = memory_usage
        self._changed = changed
        self._pressure: dict[str, float] = {}

    def under(self, condition: str) -> bool:
        """Whether the node condition holds; it outlasts the breach, so that it does not flap."""
        since = self._pressure.get(condition)
        return since is not None and self._clock.monotonic() - since < PRESSURE_HOLDS

    async def run(self) -> None:
        """Look every ten seconds, for ever."""
        while True:
            await asyncio.sleep(EVERY)
            await self.look()

    async def look(self) -> Obj | None:
        """One look; returns the pod that had to go."""
        found = breaches(self._thresholds, self._look())
        for breach in found:
            fresh = not self.under(breach.condition)
            self._pressure[breach.condition] = self._clock.monotonic()
            if fresh:
                log.warning("node is short", signal=breach.signal, available=breach.available)
                self._changed()
        if not found:
            return None
        breach = found[0]
        usage = await self._memory_usage() if breach.resource == "memory" else {}
        active = [p for p in self._workers.active() if self._workers.running(p["metadata"]["uid"])]
        candidates = rank(active, usage, breach.resource)
        if not candidates:
            return None
        pod = candidates[0]
        text = message(breach, pod, usage.get(pod["metadata"]["uid"], 0))
        self._events.pod(pod)("Warning", "Evicted", text)
        self._workers.stop(pod["metadata"]["uid"], "Evicted", text, 0)
        return pod
