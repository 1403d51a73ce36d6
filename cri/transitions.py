"""Changes of state: recorded on disk first, then told to subscribers and waiters."""

import time

from component.logging import get_logger
from cri import events, metrics
from cri.parts import Parts
from cri.rpc import container_status, pod_sandbox_status
from cri.rpc.pod_sandbox_stats import cgroup_of
from cri.runtime import conmon, oom_kills
from cri.runtime.cgroup_names import file_system_path
from cri.store import CREATED, EXITED, NOT_READY, RUNNING, Container, Sandbox, T, Table
from protocols.cri import api_pb2

_log = get_logger("transitions")
OOM_KILLED, COMPLETED, ERROR, SECCOMP_KILLED = "OOMKilled", "Completed", "Error", "seccomp killed"
_SIGKILL, _SIGSYS = 128 + 9, 128 + 31


def record(table: Table[T], item: T) -> None:
    """Write down what has happened already: a full disk may not keep anyone from hearing of it."""
    try:
        table.save(item)
    except OSError as error:
        _log.warning("A change of state is not on disk", item=item.name, cause=str(error))


def publish(parts: Parts, kind: api_pb2.ContainerEventType, sandbox: Sandbox, object_id: str) -> None:
    """Tell subscribers about a container, or about the sandbox itself."""
    if not parts.events.heard:
        return
    parts.events.publish(
        api_pb2.ContainerEventResponse(
            container_id=object_id,
            container_event_type=kind,
            created_at=time.time_ns(),
            pod_sandbox_status=pod_sandbox_status.status_of(sandbox),
            containers_statuses=[
                container_status.status_of(c) for c in parts.store.containers_of(sandbox.id) if c.complete
            ],
        )
    )


def publish_container(parts: Parts, kind: api_pb2.ContainerEventType, container: Container) -> None:
    """Tell subscribers about a container."""
    sandbox = parts.store.sandboxes.find(container.sandbox_id)
    if sandbox is not None:
        publish(parts, kind, sandbox, container.id)


def started(parts: Parts, container: Container) -> None:
    """A container runs now, unless it has ended meanwhile."""
    if container.state != CREATED:
        return
    container.state = RUNNING
    container.started_at = container.started_at or time.time_ns()
    record(parts.store.containers, container)
    publish_container(parts, events.STARTED, container)


def exited(parts: Parts, container_id: str, code: int, when: int) -> None:
    """A container, or the holder of a shared PID namespace, has ended; a second call changes nothing."""
    container = next((c for c in parts.store.containers if c.id == container_id), None)
    if container is None:
        holder_exited(parts, container_id)
        return
    if container.state == EXITED:
        container.exited.set()
        return
    if container.started_at:
        started(parts, container)
    container.state = EXITED
    container.exit_code = code
    # The time of the exit file comes from a coarser clock than ours.
    container.finished_at = max(when or time.time_ns(), container.started_at)
    container.reason = _reason(parts, container, code)
    if container.reason == ERROR and container.foreign_architecture:
        container.message = f"the image is for {container.foreign_architecture}, this node is not"
    if container.reason == OOM_KILLED:
        metrics.CONTAINERS_OOM.inc()
        metrics.CONTAINERS_OOM_BY_NAME.inc(container.name)
    container.pid = 0
    record(parts.store.containers, container)
    container.exited.set()
    if container.complete:
        publish_container(parts, events.STOPPED, container)


def _reason(parts: Parts, container: Container, code: int) -> str:
    if code == 0:
        return COMPLETED
    told = conmon.oom_killed(container.directory)
    counted = (told or code == _SIGKILL) and _kernel_counted_kills(parts, container)
    if told or counted:
        return OOM_KILLED
    if code == _SIGSYS and container.seccomp:
        return SECCOMP_KILLED
    return ERROR


def _kernel_counted_kills(parts: Parts, container: Container) -> bool:
    """Whether the OOM killer was at work, of which conmon may hear too late.

    The container's own group tells, unless systemd has removed it together with its last process: the pod's group, on
    version 2, counts for those below it as well.
    """
    own = oom_kills.count(parts.cgroups, file_system_path(container.cgroup_path))
    sandbox = parts.store.sandboxes.find(container.sandbox_id)
    if sandbox is None or parts.cgroups.version == 1:
        return own > 0
    before, sandbox.oom_kills = sandbox.oom_kills, oom_kills.count(parts.cgroups, cgroup_of(parts, sandbox))
    return own > 0 or sandbox.oom_kills > before


def holder_exited(parts: Parts, sandbox_id: str) -> None:
    """The process that held a pod's PID namespace is gone, and with it the sandbox's use."""
    sandbox = parts.store.sandboxes.find(sandbox_id)
    if sandbox is not None and sandbox.pid_holder:
        sandbox.pid_holder = 0
        sandbox_stopped(parts, sandbox)


def sandbox_stopped(parts: Parts, sandbox: Sandbox) -> None:
    """A sandbox is not ready any more."""
    if sandbox.state == NOT_READY:
        return
    sandbox.state = NOT_READY
    record(parts.store.sandboxes, sandbox)
    publish(parts, events.STOPPED, sandbox, sandbox.id)
