"""Ends containers and pods: preStop hooks, grace periods, the order of sidecars, the sandbox.

Idempotent: killing what is dead does nothing, so an interrupted kill is simply repeated.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from component.clock import Clock
from component.logging import get_logger
from kubelet.event_reporter import EventReporter
from kubelet.lifecycle_hooks import HookError, LifecycleHooks
from kubelet.pod_actions import KillReason, Kind, all_containers, host_network
from kubelet.pod_memory import PodMemory
from kubelet.restart_policy import is_sidecar
from kubelet.runtime.client import CRIClient, RuntimeServiceError
from kubelet.runtime.pod_cache import PodCache
from kubelet.runtime.pod_state import ContainerRecord, PodState

Obj = dict[str, Any]

MINIMUM_GRACE = 2.0
DEFAULT_GRACE = 30.0

log = get_logger("kubelet.termination")


def grace_period(pod: Obj, override: float | None) -> float:
    """Seconds a pod has: the caller's, the deletion's, its own."""
    if override is not None:
        return float(override)
    deletion = pod["metadata"].get("deletionGracePeriodSeconds")
    if pod["metadata"].get("deletionTimestamp") and deletion is not None:
        return float(deletion)
    own = pod["spec"].get("terminationGracePeriodSeconds")
    return DEFAULT_GRACE if own is None else float(own)


def probe_grace(pod: Obj, container: Obj, reason: KillReason) -> float:
    """Grace of a kill by a probe: the probe's own, else the pod's."""
    field = {KillReason.LIVENESS: "livenessProbe", KillReason.STARTUP: "startupProbe"}.get(reason)
    own = (container.get(field) or {}).get("terminationGracePeriodSeconds") if field else None
    return float(own) if own is not None else grace_period(pod, None)


class Termination:
    """One instance per kubelet."""

    def __init__(
        self,
        client: CRIClient,
        cache: PodCache,
        hooks: LifecycleHooks,
        events: EventReporter,
        clock: Clock,
        host_ips: tuple[str, ...],
    ) -> None:
        self._client = client
        self._cache = cache
        self._hooks = hooks
        self._events = events
        self._clock = clock
        self._host_ips = host_ips
        self._hooked: set[str] = set()

    async def kill_pod(self, memory: PodMemory, grace: float | None) -> PodState:
        """Stop everything of a pod; returns the state afterwards.

        Raises:
            RuntimeServiceError: something may still run.
        """
        meta = memory.pod["metadata"]
        state = await self._cache.read(meta["uid"], meta["name"], meta["namespace"])
        if state.running or any(s.ready for s in state.sandboxes):
            state = await self._cache.read(meta["uid"], meta["name"], meta["namespace"], fresh=True)
        await self.kill_containers(memory, state, grace)
        state = await self._cache.read(meta["uid"], meta["name"], meta["namespace"], fresh=True)
        for record in state.running:
            raise RuntimeServiceError("INTERNAL", f"container {record.name} still runs")
        self._hooked -= {record.id for record in state.containers}
        return state

    async def kill_containers(self, memory: PodMemory, state: PodState, grace: float | None) -> None:
        """Stop the pod's containers (sidecars last, in reverse order), then its sandboxes."""
        pod = memory.pod
        seconds = self._remaining(pod, grace)
        started = self._clock.monotonic()
        specs = {c["name"]: (c, kind) for c, kind in all_containers(pod)}
        sidecars = [c["name"] for c, kind in all_containers(pod) if kind is Kind.INIT and is_sidecar(c)]
        first = [r for r in state.running if r.name not in sidecars]
        await asyncio.gather(*(self._kill_for_end(memory, r, specs.get(r.name), seconds, state) for r in first))
        for name in reversed(sidecars):
            left = max(MINIMUM_GRACE, seconds - (self._clock.monotonic() - started)) if seconds else seconds
            for record in (r for r in state.running if r.name == name):
                await self._kill_for_end(memory, record, specs.get(name), left, state)
        for sandbox in state.sandboxes:
            if sandbox.ready or sandbox is state.sandboxes[0]:
                await self._client.stop_pod_sandbox(sandbox.id)

    def _remaining(self, pod: Obj, grace: float | None) -> float:
        """Grace left: after a restart of the kubelet, time since the deletion counts."""
        seconds = grace_period(pod, grace)
        stamp = pod["metadata"].get("deletionTimestamp")
        if not stamp or not seconds:
            return seconds
        # deletionTimestamp is the time by which the pod should be gone.
        due = datetime.fromisoformat(str(stamp)).timestamp()
        return max(0.0, min(seconds, due - self._clock.now().timestamp() + 1))

    async def _kill_for_end(
        self, memory: PodMemory, record: ContainerRecord, spec: tuple[Obj, Kind] | None, seconds: float, state: PodState
    ) -> None:
        container, kind = spec or ({"name": record.name}, Kind.REGULAR)
        self._events.container(memory.pod, record.name, kind)("Normal", "Killing", f"Stopping container {record.name}")
        await self._stop(memory, record, container, kind, seconds, state)

    async def kill_one(
        self, memory: PodMemory, record: ContainerRecord, container: Obj, reason: KillReason, text: str, state: PodState
    ) -> None:
        """Stop one container of a living pod."""
        kind = next((k for c, k in all_containers(memory.pod) if c["name"] == record.name), Kind.REGULAR)
        self._events.container(memory.pod, record.name, kind)("Normal", "Killing", text)
        await self._stop(memory, record, container, kind, probe_grace(memory.pod, container, reason), state)

    async def _stop(
        self, memory: PodMemory, record: ContainerRecord, container: Obj, kind: Kind, seconds: float, state: PodState
    ) -> None:
        begun = self._clock.monotonic()
        handler = (container.get("lifecycle") or {}).get("preStop")
        if handler and seconds > 0 and record.id not in self._hooked:
            self._hooked.add(record.id)
            await self._pre_stop(memory, record, container, kind, seconds, state)
        left = seconds - (self._clock.monotonic() - begun)
        if handler and seconds > 0:
            left = max(MINIMUM_GRACE, left)
        try:
            await self._client.stop_container(record.id, max(0.0, left))
        except RuntimeServiceError as error:
            if not error.missing:
                raise

    async def _pre_stop(
        self, memory: PodMemory, record: ContainerRecord, container: Obj, kind: Kind, seconds: float, state: PodState
    ) -> None:
        sandbox = state.ready_sandbox
        ips = self._host_ips if host_network(memory.pod) or sandbox is None else sandbox.ips
        handler = container["lifecycle"]["preStop"]
        emit = self._events.container(memory.pod, record.name, kind)
        try:
            work = self._hooks.run(handler, container, record.id, ips[0] if ips else "127.0.0.1", seconds)
            await asyncio.wait_for(work, seconds)
        except (HookError, TimeoutError) as error:
            log.info("preStop hook failed", pod=memory.key, container=record.name, error=str(error))
            emit("Warning", "FailedPreStopHook", "PreStopHook failed")
