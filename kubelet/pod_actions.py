"""Pure: what must be done to bring a pod's containers from their observed state toward its spec.

`compute(pod, state, verdicts)` looks at one pod only and returns a `PodActions`; nothing here does I/O or reads a
clock. Back-off is applied
later, when a start is carried out (`kubelet.pod_sync`), because it does not change what ought to run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from kubelet.restart_policy import is_sidecar, restarts
from kubelet.runtime.pod_state import ContainerRecord, Phase, PodState, SandboxRecord

Obj = dict[str, Any]


class Kind(Enum):
    """Which list of the spec a container stands in."""

    INIT = "initContainers"
    REGULAR = "containers"
    EPHEMERAL = "ephemeralContainers"


class KillReason(Enum):
    """Why one container of a living pod is killed; the value completes upstream's Killing event."""

    LIVENESS = "failed liveness probe"
    STARTUP = "failed startup probe"
    CHANGED = "definition changed"
    UNKNOWN = "is in unknown state, try killing it before restart"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Probe results by container ID, as far as they change what runs."""

    failed_liveness: frozenset[str] = frozenset()
    failed_startup: frozenset[str] = frozenset()
    started: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ContainerStart:
    """Create and start one container."""

    spec: Obj
    kind: Kind
    attempt: int
    last: ContainerRecord | None = None


@dataclass(frozen=True, slots=True)
class ContainerKill:
    """Stop one container."""

    record: ContainerRecord
    spec: Obj
    reason: KillReason


@dataclass(frozen=True, slots=True)
class PodActions:
    """All that one sync has to do, in this order."""

    kill_pod: bool = False
    """Stop every container and the sandbox first."""
    create_sandbox: bool = False
    sandbox_id: str = ""
    attempt: int = 0
    kill: tuple[ContainerKill, ...] = ()
    start: tuple[ContainerStart, ...] = ()
    finished: bool = False
    """The pod has run to its end; nothing will start again."""


def containers_of(pod: Obj, kind: Kind) -> list[Obj]:
    """One of the three container lists."""
    return list(pod["spec"].get(kind.value) or ())


def all_containers(pod: Obj) -> list[tuple[Obj, Kind]]:
    """Every container of the pod with its kind, in starting order."""
    return [(c, kind) for kind in (Kind.INIT, Kind.REGULAR, Kind.EPHEMERAL) for c in containers_of(pod, kind)]


def container_hash(container: Obj) -> str:
    """Identity of what a container runs; a change means a restart. Only name and image may change on a live pod."""
    value = 0x811C9DC5
    for byte in f"{container['name']}\0{container.get('image', '')}".encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{value:x}"


def host_network(pod: Obj) -> bool:
    """Whether the pod shares the node's network."""
    return bool(pod["spec"].get("hostNetwork"))


def restart_count(pod: Obj, state: PodState, container: Obj) -> int:
    """Attempt number of the next incarnation, from the runtime or, where its records are gone, from the published
    status.
    """
    last = state.newest(container["name"])
    if last is not None:
        return max(last.attempt, last.restart_count) + 1
    status = pod.get("status") or {}
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for item in status.get(field) or ():
            if item.get("name") == container["name"] and item.get("containerID"):
                return int(item.get("restartCount") or 0) + 1
    return 0


def sandbox_change(pod: Obj, state: PodState) -> tuple[bool, int, str]:
    """Whether a new sandbox is needed, its attempt, and the id of the one to keep."""
    if not state.sandboxes:
        return True, 0, ""
    newest = state.sandboxes[0]
    ready = sum(1 for s in state.sandboxes if s.ready)
    if ready > 1 or not newest.ready or not _network_fits(pod, newest):
        return True, newest.attempt + 1, newest.id
    return False, newest.attempt, newest.id


def _network_fits(pod: Obj, sandbox: SandboxRecord) -> bool:
    if sandbox.host_network != host_network(pod):
        return False
    return sandbox.host_network or bool(sandbox.ips)


def compute(pod: Obj, state: PodState, verdicts: Verdicts) -> PodActions:
    """Decide. The pod is meant to run: termination is decided elsewhere (`kubelet.pod_worker`)."""
    create, attempt, sandbox_id = sandbox_change(pod, state)
    if create:
        return _for_new_sandbox(pod, state, attempt, sandbox_id)
    plan = _Plan(pod, state, sandbox_id, verdicts)
    plan.ephemeral()
    initialized = plan.init()
    if plan.dead:
        return PodActions(kill_pod=True, sandbox_id=sandbox_id, attempt=attempt, finished=True)
    keep = True
    if initialized:
        keep = plan.regular()
    if not keep and not plan.starts and initialized:
        return PodActions(kill_pod=True, sandbox_id=sandbox_id, attempt=attempt, finished=True)
    return PodActions(sandbox_id=sandbox_id, attempt=attempt, kill=tuple(plan.kills), start=tuple(plan.starts))


def _for_new_sandbox(pod: Obj, state: PodState, attempt: int, old: str) -> PodActions:
    """First start, or everything anew because the sandbox died."""
    wanted = [c for c in containers_of(pod, Kind.REGULAR) if _wanted_anew(pod, state, c)]
    if not wanted:
        return PodActions(kill_pod=True, sandbox_id=old, attempt=attempt, finished=True)
    inits = containers_of(pod, Kind.INIT)
    if inits:
        first = inits[0]
        starts: list[ContainerStart] = [_start(pod, state, first, Kind.INIT)]
    else:
        starts = [_start(pod, state, c, Kind.REGULAR) for c in wanted]
    return PodActions(
        kill_pod=bool(state.sandboxes), create_sandbox=True, attempt=attempt, start=tuple(starts), sandbox_id=old
    )


def _wanted_anew(pod: Obj, state: PodState, container: Obj) -> bool:
    last = state.newest(container["name"])
    if last is None or last.phase is Phase.CREATED:
        return True
    code = last.exit_code if last.exited else 137
    return restarts(pod, container, code)


def _start(pod: Obj, state: PodState, container: Obj, kind: Kind) -> ContainerStart:
    return ContainerStart(container, kind, restart_count(pod, state, container), state.newest(container["name"]))


class _Plan:
    """Collects kills and starts while walking the lists of a pod whose sandbox is good."""

    def __init__(self, pod: Obj, state: PodState, sandbox_id: str, verdicts: Verdicts) -> None:
        self.pod = pod
        self.state = state
        self.sandbox_id = sandbox_id
        self.verdicts = verdicts
        self.kills: list[ContainerKill] = []
        self.starts: list[ContainerStart] = []
        self.dead = False

    def _record(self, container: Obj) -> ContainerRecord | None:
        return self.state.newest_in(container["name"], self.sandbox_id)

    def _add(self, container: Obj, kind: Kind) -> None:
        self.starts.append(_start(self.pod, self.state, container, kind))

    def ephemeral(self) -> None:
        """Ephemeral containers start once and never again."""
        for container in containers_of(self.pod, Kind.EPHEMERAL):
            if self._record(container) is None:
                self._add(container, Kind.EPHEMERAL)

    def init(self) -> bool:
        """Walk the init containers; returns whether the regular ones may run."""
        regular = containers_of(self.pod, Kind.REGULAR)
        initialized = any(self._record(c) is not None for c in regular)
        for container in containers_of(self.pod, Kind.INIT):
            passed = self._sidecar(container) if is_sidecar(container) else self._one_shot(container, initialized)
            if self.dead:
                return False
            if not passed and not initialized:
                return False
        return True

    def _sidecar(self, container: Obj) -> bool:
        record = self._record(container)
        if record is None or record.phase in {Phase.EXITED, Phase.CREATED}:
            self._add(container, Kind.INIT)
            # The next one may start once this one runs and has passed its startup probe, which the next sync sees.
            return False
        kill = self._kill_reason(container, record)
        if kill is not None:
            self.kills.append(ContainerKill(record, container, kill))
            return False
        return not container.get("startupProbe") or record.id in self.verdicts.started

    def _one_shot(self, container: Obj, initialized: bool) -> bool:  # noqa: FBT001 -- private, one caller
        if initialized:
            return True
        record = self._record(container)
        if record is None or record.phase is Phase.CREATED:
            self._add(container, Kind.INIT)
            return False
        if record.phase is Phase.RUNNING:
            return False
        if record.phase is Phase.UNKNOWN:
            self.kills.append(ContainerKill(record, container, KillReason.UNKNOWN))
            return False
        if record.exit_code == 0:
            return True
        if restarts(self.pod, _init_policy(self.pod, container), record.exit_code):
            self._add(container, Kind.INIT)
        else:
            self.dead = True
        return False

    def regular(self) -> bool:
        """Walk the regular containers; returns whether any of them is alive or coming back."""
        alive = False
        for container in containers_of(self.pod, Kind.REGULAR):
            record = self._record(container)
            if record is None or record.phase is Phase.CREATED:
                self._add(container, Kind.REGULAR)
                alive = True
            elif record.exited:
                if restarts(self.pod, container, record.exit_code):
                    self._add(container, Kind.REGULAR)
                    alive = True
            else:
                reason = self._kill_reason(container, record)
                alive = True
                if reason is not None:
                    self.kills.append(ContainerKill(record, container, reason))
        return alive

    def _kill_reason(self, container: Obj, record: ContainerRecord) -> KillReason | None:
        if record.phase is Phase.UNKNOWN:
            return KillReason.UNKNOWN
        if record.hash and record.hash != container_hash(container):
            return KillReason.CHANGED
        if record.id in self.verdicts.failed_liveness:
            return KillReason.LIVENESS
        if record.id in self.verdicts.failed_startup:
            return KillReason.STARTUP
        return None


def _init_policy(pod: Obj, container: Obj) -> Obj:
    """An init container of an `Always` pod is retried on failure only; that equals OnFailure for an exit code other
    than 0.
    """
    if container.get("restartPolicy"):
        return container
    policy = pod["spec"].get("restartPolicy") or "Always"
    return {**container, "restartPolicy": "OnFailure" if policy == "Always" else policy}
