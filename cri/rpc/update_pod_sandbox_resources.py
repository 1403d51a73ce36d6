"""UpdatePodSandboxResources: the kubelet has changed the pod's cgroup; we note the figures."""

from cri.parts import Parts
from protocols.cri import api_pb2


def update_pod_sandbox_resources(
    parts: Parts, request: api_pb2.UpdatePodSandboxResourcesRequest
) -> api_pb2.UpdatePodSandboxResourcesResponse:
    """Answer UpdatePodSandboxResources. The pod's cgroup is the kubelet's, so there is nothing to set."""
    sandbox = parts.store.sandboxes.get(request.pod_sandbox_id)
    if request.HasField("resources"):
        sandbox.resources = request.resources.SerializeToString().hex()
        parts.store.sandboxes.save(sandbox)
    return api_pb2.UpdatePodSandboxResourcesResponse()
