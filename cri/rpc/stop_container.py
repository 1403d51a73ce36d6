"""StopContainer: the stop signal, a grace period, then KILL.

Several calls for one container may be under way; each waits by its own time-out, so a later call with a shorter one
shortens the life of the container without disturbing the earlier call.
"""

import asyncio
import contextlib
import signal

from component.logging import get_logger
from cri import errors
from cri.parts import Parts
from cri.runtime.cgroup_names import file_system_path
from cri.store import CREATED, EXITED, Container
from protocols.cri import api_pb2

_log = get_logger("stop")
_AFTER_KILL = 30.0


async def stop_container(parts: Parts, request: api_pb2.StopContainerRequest) -> api_pb2.StopContainerResponse:
    """Answer StopContainer; an unknown container is a stopped one."""
    container = parts.store.containers.find(request.container_id)
    if container is not None:
        await stop(parts, container, request.timeout)
    return api_pb2.StopContainerResponse()


async def stop(parts: Parts, container: Container, timeout: float) -> None:
    """Stop a container and wait for its end.

    Raises:
        DeadlineExceeded: the kernel did not end it even after KILL.
    """
    if container.state == EXITED:
        return
    if container.state == CREATED:
        timeout = 0  # its process waits in the OCI runtime and hears no other signal
    if timeout > 0:
        parts.exits.signal(container.id, container.stop_signal)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(container.exited.wait(), timeout)
    if not container.exited.is_set():
        await parts.blocking(kill_all, parts, container)
        try:
            await asyncio.wait_for(container.exited.wait(), _AFTER_KILL)
        except TimeoutError as error:
            raise errors.DeadlineExceeded(f"container {container.id} survives SIGKILL") from error


def kill_all(parts: Parts, container: Container) -> None:
    """KILL every process of a container: its first one ends the PID namespace, the cgroup holds the others."""
    if container.pid:
        parts.exits.signal(container.id, signal.SIGKILL)
    if container.config.linux.security_context.namespace_options.pid != api_pb2.CONTAINER:
        parts.cgroups.kill(file_system_path(container.cgroup_path))
