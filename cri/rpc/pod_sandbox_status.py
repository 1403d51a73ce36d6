"""PodSandboxStatus, and the status message of a sandbox."""

import json
import time

from cri.parts import Parts
from cri.rpc import container_status
from cri.store import Sandbox
from protocols.cri import api_pb2


def status_of(sandbox: Sandbox) -> api_pb2.PodSandboxStatus:
    """A sandbox as the kubelet sees it. The namespace options are echoed: the kubelet compares the network mode."""
    config = sandbox.config
    network = api_pb2.PodSandboxNetworkStatus()
    if sandbox.addresses:
        network.ip = sandbox.addresses[0]
        network.additional_ips.extend(api_pb2.PodIP(ip=ip) for ip in sandbox.addresses[1:])
    return api_pb2.PodSandboxStatus(
        id=sandbox.id,
        metadata=config.metadata,
        state=sandbox.state,
        created_at=sandbox.created_at,
        network=network,
        linux=api_pb2.LinuxPodSandboxStatus(
            namespaces=api_pb2.Namespace(options=config.linux.security_context.namespace_options)
        ),
        labels=config.labels,
        annotations=config.annotations,
        runtime_handler=sandbox.runtime_handler,
    )


def pod_sandbox_status(parts: Parts, request: api_pb2.PodSandboxStatusRequest) -> api_pb2.PodSandboxStatusResponse:
    """Answer PodSandboxStatus."""
    sandbox = parts.store.sandboxes.get(request.pod_sandbox_id)
    response = api_pb2.PodSandboxStatusResponse(
        status=status_of(sandbox),
        containers_statuses=[
            container_status.status_of(c) for c in parts.store.containers_of(sandbox.id) if c.complete
        ],
        timestamp=time.time_ns(),
    )
    if request.verbose:
        response.info["info"] = json.dumps(
            {
                "networkNamespace": sandbox.network_namespace,
                "cgroupParent": sandbox.cgroup_parent,
                "directory": str(sandbox.directory),
                "pid": sandbox.pid_holder,
                "runtimeSpec": {"linux": {"namespaces": _namespaces(sandbox)}},
            }
        )
    return response


def _namespaces(sandbox: Sandbox) -> list[dict[str, str]]:
    pairs = (
        ("network", sandbox.network_namespace),
        ("ipc", sandbox.ipc_namespace),
        ("uts", sandbox.uts_namespace),
        ("user", sandbox.user_namespace),
        ("pid", sandbox.pid_namespace),
    )
    return [{"type": kind, "path": path} for kind, path in pairs if path]
