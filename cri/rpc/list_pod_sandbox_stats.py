"""ListPodSandboxStats: ready sandboxes only."""

from cri.parts import Parts
from cri.rpc import pod_sandbox_stats
from cri.rpc.list_pod_sandbox import select
from cri.store import READY
from protocols.cri import api_pb2


async def list_pod_sandbox_stats(
    parts: Parts, request: api_pb2.ListPodSandboxStatsRequest
) -> api_pb2.ListPodSandboxStatsResponse:
    """Answer ListPodSandboxStats."""
    wanted = api_pb2.PodSandboxFilter(id=request.filter.id, label_selector=request.filter.label_selector)
    wanted.state.state = READY
    found = [(s, pod_sandbox_stats.running_containers(parts, s)) for s in select(parts, wanted)]

    response = api_pb2.ListPodSandboxStatsResponse()

    def measure() -> None:
        for sandbox, containers in found:
            pod_sandbox_stats.fill(parts, sandbox, containers, response.stats.add())

    await parts.blocking(measure)
    return response
