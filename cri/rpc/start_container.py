"""StartContainer."""

import time

from cri import errors, transitions
from cri.parts import Parts
from cri.store import CREATED
from protocols.cri import api_pb2


async def start_container(parts: Parts, request: api_pb2.StartContainerRequest) -> api_pb2.StartContainerResponse:
    """Answer StartContainer."""
    container = parts.store.containers.get(request.container_id)
    if container.state != CREATED or container.started_at:
        state = api_pb2.ContainerState.Name(container.state)
        raise errors.FailedPrecondition(f"container {container.id} is not in created state: {state}")
    handler = parts.handlers.get(container.runtime_handler)
    # Noted before it runs: its end may be noticed before this call goes on.
    container.started_at = time.time_ns()
    try:
        await parts.blocking(
            handler.runtime.start, container.id, container.pid, hooks=bool(container.config.CDI_devices)
        )
    except BaseException:
        container.started_at = 0
        raise
    transitions.started(parts, container)
    return api_pb2.StartContainerResponse()
