"""RemoveContainer: ends what still runs, then removes every trace."""

from component.logging import get_logger
from cri import errors, events, transitions
from cri.container_mounts import MAPPED
from cri.parts import Parts
from cri.rpc import container_stats, stop_container
from cri.runtime import conmon
from cri.runtime.cgroup_names import file_system_path
from cri.store import Container
from linux import mounts
from protocols.cri import api_pb2

_log = get_logger("remove")


async def remove_container(parts: Parts, request: api_pb2.RemoveContainerRequest) -> api_pb2.RemoveContainerResponse:
    """Answer RemoveContainer; an unknown container is a removed one."""
    container = parts.store.containers.find(request.container_id)
    if container is not None:
        await remove(parts, container)
    return api_pb2.RemoveContainerResponse()


async def remove(parts: Parts, container: Container) -> None:
    """Stop a container and delete it."""
    await stop_container.stop(parts, container, 0)
    await parts.blocking(delete, parts, container)
    parts.exits.forget(container.id)
    sandbox = parts.store.sandboxes.find(container.sandbox_id)
    container_stats.forget(parts, container.id, file_system_path(parts.host, container.cgroup_path))
    parts.store.containers.remove(container)
    if sandbox is not None:
        transitions.publish(parts, events.DELETED, sandbox, container.id)


def delete(parts: Parts, container: Container) -> None:
    """Delete what the OCI runtime, conmon and the store keep of a container; blocks."""
    try:
        parts.handlers.get(container.runtime_handler).runtime.delete(container.id)
    except errors.CRIError as error:
        _log.warning("The OCI runtime could not delete a container", container=container.name, cause=str(error))
    conmon.kill_monitor(container.directory)
    if (container.directory / MAPPED).exists():
        mounts.unmount_tree(str(container.directory))
    for name in (container.id, *container.image_mounts):
        parts.layers.delete(name)
