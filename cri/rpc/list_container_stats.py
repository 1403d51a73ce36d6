"""ListContainerStats: running containers only."""

from cri.parts import Parts
from cri.rpc import container_stats
from cri.rpc.list_containers import select
from cri.store import RUNNING
from protocols.cri import api_pb2


async def list_container_stats(
    parts: Parts, request: api_pb2.ListContainerStatsRequest
) -> api_pb2.ListContainerStatsResponse:
    """Answer ListContainerStats."""
    wanted = request.filter
    found = select(parts, wanted.id, wanted.pod_sandbox_id, dict(wanted.label_selector), RUNNING)

    response = api_pb2.ListContainerStatsResponse()

    def measure() -> None:
        for container in found:
            container_stats.fill(parts, container, response.stats.add())

    await parts.blocking(measure)
    return response
