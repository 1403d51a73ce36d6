"""UpdateContainerResources: new limits for a container that runs or is about to."""

import json

from component.logging import get_logger
from cri import errors
from cri.oci_spec import resources
from cri.parts import Parts
from cri.rpc.container_status import resources_in_force
from cri.store import CREATED, RUNNING
from protocols.cri import api_pb2

_log = get_logger("resources")


async def update_container_resources(
    parts: Parts, request: api_pb2.UpdateContainerResourcesRequest
) -> api_pb2.UpdateContainerResourcesResponse:
    """Answer UpdateContainerResources; the status reports the new limits from then on."""
    container = parts.store.containers.get(request.container_id)
    if container.state not in (CREATED, RUNNING):
        raise errors.FailedPrecondition(f"container {container.id} is not running or created")
    if request.HasField("linux"):
        after = resources.merged(resources_in_force(container), request.linux)
        limits = resources.linux_resources(request.linux, parts.host)
        if limits:
            runtime = parts.handlers.get(container.runtime_handler).runtime
            await parts.blocking(runtime.update, container.id, limits)
        container.resources = after.SerializeToString().hex()
        parts.store.containers.save(container)
        _log.info("Resources updated", container=container.name, limits=json.dumps(limits))
    return api_pb2.UpdateContainerResourcesResponse()
