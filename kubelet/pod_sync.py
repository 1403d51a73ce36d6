"""Brings one pod toward its spec: asks `pod_actions` what to do and does it, reporting on the way.

One call of `sync` is one pass: it may be repeated at any time and picks up wherever the pod is. It never waits for
time to pass; what must wait is
told to the caller as seconds.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from component.clock import Clock
from component.logging import get_logger
from kubelet import dns
from kubelet.backoff import Backoff, go_duration
from kubelet.container_starter import ContainerStarter
from kubelet.event_reporter import EventReporter
from kubelet.pod_actions import ContainerKill, ContainerStart, KillReason, Kind, PodActions, compute
from kubelet.pod_memory import PodMemory
from kubelet.pod_status import PodStatuses
from kubelet.pod_termination import Termination
from kubelet.prober.probes import Probes
from kubelet.resources.cgroup_tree import CgroupTree
from kubelet.resources.resize import Resizer
from kubelet.runtime.client import CRIClient, RuntimeServiceError
from kubelet.runtime.images import Image
from kubelet.runtime.pod_cache import PodCache
from kubelet.runtime.pod_state import PodState
from kubelet.runtime.records import sandbox_record
from kubelet.runtime.sandbox import SandboxInputs, sandbox_config
from kubelet.start_error import ContainerStartError, PodSyncError
from kubelet.volumes.mounter import Volumes
from kubelet.volumes.source import VolumeError

Obj = dict[str, Any]

log = get_logger("kubelet.sync")

FAST_RETRY = 1.0
SLOW_RETRY = 10.0


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What became of a pass."""

    terminal: bool = False
    """The pod has run to its end."""
    again: float | None = None
    """Seconds until another pass is worth while, because this one did not reach its goal."""
    refresh: float | None = None
    """Seconds until a volume's content is due (ServiceAccount tokens)."""


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Node-wide inputs of every sandbox."""

    log_root: Path
    cluster_dns: tuple[str, ...]
    cluster_domain: str
    resolv_conf: str

    def dns(self, pod: Obj) -> dns.DNSSettings:
        """The pod's resolver settings."""
        try:
            host = dns.parse_resolv_conf(Path(self.resolv_conf).read_text()) if self.resolv_conf else dns.DNSSettings()
        except OSError:
            host = dns.DNSSettings()
        return dns.pod_dns(pod, host, self.cluster_dns, self.cluster_domain)

    def log_directory(self, pod: Obj) -> Path:
        """`<root>/<namespace>_<name>_<uid>`."""
        meta = pod["metadata"]
        return self.log_root / f"{meta['namespace']}_{meta['name']}_{meta['uid']}"


@dataclass(frozen=True, slots=True)
class SyncParts:
    """What a sync works with."""

    client: CRIClient
    cache: PodCache
    volumes: Volumes
    starter: ContainerStarter
    probes: Probes
    statuses: PodStatuses
    termination: Termination
    cgroups: CgroupTree
    resizer: Resizer
    events: EventReporter
    settings: SandboxSettings
    clock: Clock


class PodSync:
    """One instance per kubelet."""

    def __init__(self, parts: SyncParts) -> None:
        self._parts = parts
        self._backoff = Backoff()

    def forget(self, uid: str) -> None:
        """Drop back-off of a pod."""
        self._backoff.reset(uid)

    async def sync(self, memory: PodMemory) -> SyncResult:
        """One pass.

        Raises:
            PodSyncError: the pass could not be finished; the pod is as before or partly advanced.
        """
        pod, parts = memory.pod, self._parts
        meta = pod["metadata"]
        state = await parts.cache.read(meta["uid"], meta["name"], meta["namespace"])
        parts.probes.ensure(pod, state)
        actions = compute(pod, state, parts.probes.verdicts(pod, state))
        if actions.finished:
            parts.statuses.publish(memory, state, progress=True)
            return SyncResult(terminal=True)
        parts.statuses.publish(memory, state, progress=bool(actions.start or actions.create_sandbox))
        run = _Pass(memory, state, self._parts, self._backoff)
        try:
            await run.carry_out(actions)
        except BaseException:
            # Cancelled or failed half way: what the runtime has now must be asked.
            parts.cache.put(run.state)
            parts.cache.invalidate(memory.uid)
            parts.probes.ensure(pod, run.state)
            parts.statuses.publish(memory, run.state)
            raise
        parts.cache.put(run.state)
        parts.probes.ensure(pod, run.state)
        parts.statuses.publish(memory, run.state)
        return SyncResult(again=run.again, refresh=self._refresh(memory.uid))

    def _refresh(self, uid: str) -> float | None:
        due = self._parts.volumes.next_renewal(uid)
        return None if due is None else max(1.0, due - self._parts.clock.now().timestamp() + 1)


class _Pass:
    """The state of one sync pass."""

    def __init__(self, memory: PodMemory, state: PodState, parts: SyncParts, backoff: Backoff) -> None:
        self.memory = memory
        self.pod = memory.pod
        self.state = state
        self.parts = parts
        self.backoff = backoff
        self.again: float | None = None
        self._emit = parts.events.pod(memory.pod)
        self._images: dict[str, Image] = {}
        self._image_failed: set[str] = set()
        self._config: Any = None

    def _later(self, seconds: float) -> None:
        self.again = seconds if self.again is None else min(self.again, seconds)

    async def carry_out(self, actions: PodActions) -> None:
        if actions.kill_pod:
            await self._replace_sandbox(actions)
        await asyncio.gather(*(self._kill(kill) for kill in actions.kill))
        if actions.kill:
            self.state = await self._reread()
        await self.parts.cgroups.ensure(self.memory)
        self._config = self._sandbox_config(actions.attempt)
        if actions.create_sandbox:
            await self._prepare_all(actions)
        else:
            await self._mount()
        await self._start_all(actions)
        again = await self.parts.resizer.apply(self.memory, self.state)
        if again is not None:
            self._later(again)

    # --- sandbox and volumes

    def _sandbox_config(self, attempt: int) -> Any:
        settings, pod = self.parts.settings, self.pod
        try:
            hostname = dns.kernel_hostname(pod, settings.cluster_domain)
        except dns.HostnameError as error:
            self._emit("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            raise PodSyncError(str(error)) from error
        return sandbox_config(
            pod,
            SandboxInputs(
                attempt=attempt,
                hostname=hostname,
                dns=settings.dns(pod),
                log_directory=str(settings.log_directory(pod)),
                cgroup_parent=self.parts.cgroups.parent(pod),
            ),
        )

    async def _replace_sandbox(self, actions: PodActions) -> None:
        if actions.create_sandbox:
            self._emit("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        await self.parts.termination.kill_containers(self.memory, self.state, None)
        self.parts.probes.stop(self.memory.uid)
        self.state = await self._reread()

    async def _reread(self) -> PodState:
        meta = self.pod["metadata"]
        return await self.parts.cache.read(meta["uid"], meta["name"], meta["namespace"], fresh=True)

    async def _prepare_all(self, actions: PodActions) -> None:
        """Sandbox, volumes and the first images at the same time."""
        work = [self._run_sandbox(), self._mount(), *(self._image(start) for start in actions.start)]
        results = await asyncio.gather(*work, return_exceptions=True)
        for result in results:
            if isinstance(result, asyncio.CancelledError):
                raise result
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _run_sandbox(self) -> None:
        try:
            handler = await self.parts.statuses.runtime_handler(self.pod)
            sandbox_id = await self.parts.client.run_pod_sandbox(self._config, handler)
            status = await self.parts.client.pod_sandbox_status(sandbox_id)
        except RuntimeServiceError as error:
            if not error.unreachable:
                self._emit("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            self.parts.cache.invalidate(self.memory.uid)
            raise PodSyncError(str(error), 0.5 if error.unreachable else None) from error
        record = sandbox_record(status)
        self.state = replace(self.state, sandboxes=(record, *self.state.sandboxes))

    async def _mount(self) -> None:
        try:
            await self.parts.volumes.mount(self.pod)
        except VolumeError as error:
            for line in str(error).splitlines():
                self._emit("Warning", "FailedMount", line)
            raise PodSyncError(str(error)) from error

    async def _image(self, start: ContainerStart) -> None:
        """Prefetch; a failure shows again, with its event, when the container is started."""
        if self._waits(start):
            return
        try:
            self._images[start.spec["name"]] = await self.parts.starter.image(self.pod, start, self._config)
        except ContainerStartError as error:
            self._image_failed.add(start.spec["name"])
            self._failed(start, error)

    # --- containers

    async def _kill(self, kill: ContainerKill) -> None:
        name = kill.spec["name"]
        text = f"Container {name} {kill.reason.value}"
        text += "" if kill.reason is KillReason.UNKNOWN else ", will be restarted"
        await self.parts.termination.kill_one(self.memory, kill.record, kill.spec, kill.reason, text, self.state)

    async def _start_all(self, actions: PodActions) -> None:
        """Start what is asked, and what its start made possible (the container after a sidecar)."""
        tried: set[str] = set()
        pending = list(actions.start)
        while pending:
            for start in pending:
                tried.add(start.spec["name"])
                await self._start(start)
            verdicts = self.parts.probes.verdicts(self.pod, self.state)
            following = compute(self.pod, self.state, verdicts)
            if following.create_sandbox or following.kill_pod:
                return
            pending = [s for s in following.start if s.spec["name"] not in tried]

    def _waits(self, start: ContainerStart) -> bool:
        """Whether the container is still in back-off; notes the reason it shows."""
        name = start.spec["name"]
        now = self.parts.clock.now().timestamp()
        if start.last is None or not start.last.exited:
            return False
        remaining = self.backoff.remaining(f"{self.memory.uid}/{name}", start.last.finished_at / 1e9, now)
        if remaining <= 0:
            return False
        delay = self.backoff.delay(f"{self.memory.uid}/{name}")
        meta = self.pod["metadata"]
        where = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
        message = f"back-off {go_duration(delay)} restarting failed container={name} pod={where}"
        if self.memory.failures.get(name) != ("CrashLoopBackOff", message):
            emit = self.parts.events.container(self.pod, name, start.kind)
            emit("Warning", "BackOff", f"Back-off restarting failed container {name} in pod {where}")
        self.memory.failures[name] = ("CrashLoopBackOff", message)
        self._later(remaining + 0.01)
        return True

    def _failed(self, start: ContainerStart, error: ContainerStartError) -> None:
        self.memory.failures[start.spec["name"]] = (error.reason, error.message)
        self._later(error.retry if error.retry is not None else self._retry())

    def _retry(self) -> float:
        return float(min(FAST_RETRY * 2**self.memory.errors, SLOW_RETRY))

    async def _start(self, start: ContainerStart) -> None:
        name = start.spec["name"]
        if self._waits(start):
            return
        image = self._images.get(name)
        if image is None:
            if name in self._image_failed:
                return
            await self._image(start)
            image = self._images.get(name)
            if image is None:
                return
        if start.last is not None and start.last.exited:
            self.backoff.advance(f"{self.memory.uid}/{name}", self.parts.clock.now().timestamp())
        try:
            record = await self.parts.starter.start(self.memory, start, self.state, self._config, image)
        except ContainerStartError as error:
            self._failed(start, error)
            self.memory.errors += 1
            self.state = await self._reread()
            return
        self.memory.failures.pop(name, None)
        self.state = replace(self.state, containers=(record, *self.state.containers))
        if start.kind is Kind.INIT:
            self.parts.probes.ensure(self.pod, self.state)
            self.parts.statuses.publish(self.memory, self.state, progress=True)


def deadline(pod: Obj) -> float | None:
    """When activeDeadlineSeconds runs out (epoch seconds)."""
    seconds = pod["spec"].get("activeDeadlineSeconds")
    begun = (pod.get("status") or {}).get("startTime")
    if seconds is None or not begun:
        return None
    return datetime.fromisoformat(str(begun)).timestamp() + float(seconds)
