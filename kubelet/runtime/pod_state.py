"""What the runtime says about a pod, as plain values.

Built from CRI answers by `kubelet.runtime.records`; read by the pure deciders (`pod_actions`, `status.generate`).
Times are nanoseconds since the epoch, as CRI counts them; 0 means unset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

POD_NAME_LABEL = "io.kubernetes.pod.name"
POD_NAMESPACE_LABEL = "io.kubernetes.pod.namespace"
POD_UID_LABEL = "io.kubernetes.pod.uid"
CONTAINER_NAME_LABEL = "io.kubernetes.container.name"

HASH_ANNOTATION = "io.kubernetes.container.hash"
RESTART_COUNT_ANNOTATION = "io.kubernetes.container.restartCount"
TERMINATION_PATH_ANNOTATION = "io.kubernetes.container.terminationMessagePath"
TERMINATION_POLICY_ANNOTATION = "io.kubernetes.container.terminationMessagePolicy"
GRACE_PERIOD_ANNOTATION = "io.kubernetes.pod.terminationGracePeriod"


class Phase(Enum):
    """CRI's four container states."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ContainerResources:
    """Limits the runtime reports as applied; None = not reported."""

    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    memory_limit: int | None = None


@dataclass(frozen=True, slots=True)
class ContainerUser:
    """Identity of a container's first process."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """One container, running or dead."""

    id: str
    name: str
    attempt: int
    sandbox_id: str
    phase: Phase
    created_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    image: str = ""
    image_id: str = ""
    hash: str = ""
    restart_count: int = 0
    log_path: str = ""
    resources: ContainerResources | None = None
    user: ContainerUser | None = None
    volume_mounts: tuple[tuple[str, str, bool], ...] = ()
    stop_signal: str = ""
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.phase is Phase.RUNNING

    @property
    def exited(self) -> bool:
        """Whether it ran and ended."""
        return self.phase is Phase.EXITED


@dataclass(frozen=True, slots=True)
class SandboxRecord:
    """One pod sandbox."""

    id: str
    attempt: int
    ready: bool
    created_at: int
    ips: tuple[str, ...] = ()
    host_network: bool = False


@dataclass(frozen=True, slots=True)
class PodState:
    """All sandboxes and containers of one pod UID, newest first."""

    uid: str
    name: str
    namespace: str
    sandboxes: tuple[SandboxRecord, ...] = ()
    containers: tuple[ContainerRecord, ...] = ()

    def newest(self, container: str) -> ContainerRecord | None:
        """The latest incarnation of a container, in whatever sandbox."""
        return next((c for c in self.containers if c.name == container), None)

    def previous(self, container: str) -> ContainerRecord | None:
        """The incarnation before the latest."""
        found = [c for c in self.containers if c.name == container]
        return found[1] if len(found) > 1 else None

    def newest_in(self, container: str, sandbox_id: str) -> ContainerRecord | None:
        """The latest incarnation inside one sandbox."""
        return next((c for c in self.containers if c.name == container and c.sandbox_id == sandbox_id), None)

    @property
    def ready_sandbox(self) -> SandboxRecord | None:
        """The newest sandbox, if it is ready."""
        return self.sandboxes[0] if self.sandboxes and self.sandboxes[0].ready else None

    @property
    def running(self) -> tuple[ContainerRecord, ...]:
        """Containers that run (an unknown one may)."""
        return tuple(c for c in self.containers if c.phase in {Phase.RUNNING, Phase.UNKNOWN})
