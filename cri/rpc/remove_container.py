"""RemoveContainer: ends what still runs, then removes every trace."""

from cri import erasure, events, transitions
from cri.parts import Parts
from cri.rpc import container_stats, stop_container
from cri.runtime.cgroup_names import file_system_path
from cri.store import Container
from protocols.cri import api_pb2


async def remove_container(parts: Parts, request: api_pb2.RemoveContainerRequest) -> api_pb2.RemoveContainerResponse:
    """Answer RemoveContainer; an unknown container is a removed one."""
    container = parts.store.containers.find(request.container_id)
    if container is not None:
        await remove(parts, container)
    return api_pb2.RemoveContainerResponse()


async def remove(parts: Parts, container: Container) -> None:
    """Stop a container and delete it."""
    await stop_container.stop(parts, container, 0)
    await parts.blocking(erasure.container, parts, container)
    parts.exits.forget(container.id)
    sandbox = parts.store.sandboxes.find(container.sandbox_id)
    container_stats.forget(parts, container.id, file_system_path(container.cgroup_path))
    parts.store.containers.remove(container)
    if sandbox is not None:
        transitions.publish(parts, events.DELETED, sandbox, container.id)
