"""All probes of all pods: starts a worker per probe of each running container, holds the results, and wakes a pod
when one changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from component.clock import Clock
from component.tasks import Tasks
from kubelet.event_reporter import EventReporter
from kubelet.guarded import guarded
from kubelet.pod_actions import Kind, Verdicts, all_containers, host_network
from kubelet.prober import worker
from kubelet.prober.probe import Verdict, attempt
from kubelet.prober.worker import ProbeType
from kubelet.restart_policy import is_sidecar
from kubelet.runtime.client import CRIClient
from kubelet.runtime.pod_state import ContainerRecord, PodState

Obj = dict[str, Any]


@dataclass(slots=True)
class _Container:
    """Probing of one container incarnation."""

    uid: str
    results: dict[ProbeType, bool] = field(default_factory=dict)
    tasks: dict[ProbeType, asyncio.Task[Any]] = field(default_factory=dict)
    started: asyncio.Event = field(default_factory=asyncio.Event)


class Probes:
    """One instance per kubelet."""

    def __init__(
        self,
        client: CRIClient,
        tasks: Tasks,
        events: EventReporter,
        clock: Clock,
        host_ips: tuple[str, ...],
        changed: Callable[[str], None],
    ) -> None:
        self._client = client
        self._tasks = tasks
        self._events = events
        self._clock = clock
        self._host_ips = host_ips
        self._changed = changed
        self._containers: dict[str, _Container] = {}

    def ensure(self, pod: Obj, state: PodState) -> None:
        """Match the workers to the containers that run."""
        uid = pod["metadata"]["uid"]
        running = {r.id: r for r in state.containers if r.running}
        for container_id in [i for i, c in self._containers.items() if c.uid == uid and i not in running]:
            self._drop(container_id)
        for container, kind in all_containers(pod):
            if kind is Kind.EPHEMERAL or (kind is Kind.INIT and not is_sidecar(container)):
                continue
            record = state.newest(container["name"])
            if record is not None and record.running and record.id not in self._containers:
                self._begin(pod, container, kind, record, state)

    def stop(self, uid: str) -> None:
        """End all probing of a pod."""
        for container_id in [i for i, c in self._containers.items() if c.uid == uid]:
            self._drop(container_id)

    def stop_disruptive(self, uid: str) -> None:
        """The pod is ending: liveness and startup verdicts no longer matter, readiness goes on."""
        for entry in (c for c in self._containers.values() if c.uid == uid):
            for kind in (ProbeType.LIVENESS, ProbeType.STARTUP):
                task = entry.tasks.pop(kind, None)
                if task is not None:
                    task.cancel()

    def verdicts(self, pod: Obj, state: PodState) -> Verdicts:
        """What changes what runs."""
        uid = pod["metadata"]["uid"]
        mine = {i: c for i, c in self._containers.items() if c.uid == uid}
        _, started = self.passing(pod, state)
        return Verdicts(
            failed_liveness=frozenset(i for i, c in mine.items() if c.results.get(ProbeType.LIVENESS) is False),
            failed_startup=frozenset(i for i, c in mine.items() if c.results.get(ProbeType.STARTUP) is False),
            started=started,
        )

    def passing(self, pod: Obj, state: PodState) -> tuple[frozenset[str], frozenset[str]]:
        """IDs of running containers that are ready, and of those that have started."""
        ready, started = set(), set()
        for container, _ in all_containers(pod):
            record = state.newest(container["name"])
            if record is None or not record.running:
                continue
            entry = self._containers.get(record.id)
            results = entry.results if entry else {}
            has_started = not container.get("startupProbe") or results.get(ProbeType.STARTUP) is True
            if has_started:
                started.add(record.id)
                if not container.get("readinessProbe") or results.get(ProbeType.READINESS) is True:
                    ready.add(record.id)
        return frozenset(ready), frozenset(started)

    def _drop(self, container_id: str) -> None:
        entry = self._containers.pop(container_id)
        for task in entry.tasks.values():
            task.cancel()

    def _begin(self, pod: Obj, container: Obj, kind: Kind, record: ContainerRecord, state: PodState) -> None:
        entry = _Container(pod["metadata"]["uid"])
        self._containers[record.id] = entry
        if not container.get("startupProbe"):
            entry.started.set()
        published = self._published(pod, container, record)
        for probe_type in ProbeType:
            if not container.get(probe_type.value):
                continue
            if published is not None and probe_type is not ProbeType.LIVENESS:
                # After a restart of the kubelet the published result holds until a probe says otherwise.
                self._restore(entry, probe_type, published)
            work = self._probe(pod, container, kind, record, state, probe_type, entry)
            name = f"{probe_type.title} {pod['metadata']['name']}/{container['name']}"
            entry.tasks[probe_type] = self._tasks.spawn(guarded(work, name), name=name)

    @staticmethod
    def _published(pod: Obj, container: Obj, record: ContainerRecord) -> Obj | None:
        status = pod.get("status") or {}
        for name in ("containerStatuses", "initContainerStatuses"):
            for item in status.get(name) or ():
                if item["name"] == container["name"] and str(item.get("containerID") or "").endswith(f"://{record.id}"):
                    return dict(item)
        return None

    @staticmethod
    def _restore(entry: _Container, probe_type: ProbeType, published: Obj) -> None:
        if probe_type is ProbeType.STARTUP and published.get("started"):
            entry.results[probe_type] = True
            entry.started.set()
        if probe_type is ProbeType.READINESS:
            entry.results[probe_type] = bool(published.get("ready"))

    async def _probe(
        self,
        pod: Obj,
        container: Obj,
        kind: Kind,
        record: ContainerRecord,
        state: PodState,
        probe_type: ProbeType,
        entry: _Container,
    ) -> None:
        if probe_type is ProbeType.STARTUP and entry.results.get(probe_type):
            return
        probe = container[probe_type.value]
        emit = self._events.container(pod, container["name"], kind)
        sandbox = state.ready_sandbox
        ips = self._host_ips if host_network(pod) or sandbox is None else sandbox.ips
        host = ips[0] if ips else "127.0.0.1"

        async def try_once() -> Verdict:
            try:
                verdict, output = await attempt(self._client, probe, container, record.id, host)
            except Exception as error:  # noqa: BLE001 -- a probe must go on, whatever its target answers
                verdict, output = Verdict.UNKNOWN, f"{type(error).__name__}: {error}"
            if verdict is Verdict.FAILURE:
                emit("Warning", "Unhealthy", f"{probe_type.title} probe failed: {output}")
            elif verdict is Verdict.UNKNOWN:
                emit(
                    "Warning", "Unhealthy", f"{probe_type.title} probe errored and resulted in unknown state: {output}"
                )
            return verdict

        def publish(outcome: bool) -> bool:  # noqa: FBT001 -- callback
            if entry.results.get(probe_type) is not outcome:
                entry.results[probe_type] = outcome
                if probe_type is ProbeType.STARTUP and outcome:
                    entry.started.set()
                self._changed(entry.uid)
            # A startup probe is done with its first result; a failed liveness probe ends with its container.
            return probe_type is ProbeType.READINESS or (probe_type is ProbeType.LIVENESS and outcome)

        age = max(0.0, self._clock.now().timestamp() - record.started_at / 1e9)
        allowed = None if probe_type is ProbeType.STARTUP else entry.started
        await worker.run(probe, age, try_once, publish, allowed=allowed)
