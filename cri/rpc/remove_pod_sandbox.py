"""RemovePodSandbox: stops the sandbox if need be, removes its containers, then itself."""

from cri import events, transitions
from cri.parts import Parts
from cri.rpc import container_stats, remove_container, stop_pod_sandbox
from cri.rpc.pod_sandbox_stats import cgroup_of
from cri.runtime import stray_cgroups
from cri.store import Sandbox
from protocols.cri import api_pb2


async def remove_pod_sandbox(
    parts: Parts, request: api_pb2.RemovePodSandboxRequest
) -> api_pb2.RemovePodSandboxResponse:
    """Answer RemovePodSandbox; an unknown sandbox is a removed one."""
    sandbox = parts.store.sandboxes.find(request.pod_sandbox_id)
    if sandbox is not None:
        await remove(parts, sandbox)
    return api_pb2.RemovePodSandboxResponse()


async def remove(parts: Parts, sandbox: Sandbox) -> None:
    """Remove a sandbox with everything in it."""
    await stop_pod_sandbox.stop(parts, sandbox)
    for container in parts.store.containers_of(sandbox.id):
        await remove_container.remove(parts, container)
    parts.exits.forget(sandbox.id)
    # A slice is systemd's to remove.
    own_group = not sandbox.config.linux.cgroup_parent and not parts.host.systemd_cgroups
    await parts.blocking(stray_cgroups.tidy, cgroup_of(parts, sandbox), everywhere=own_group)
    container_stats.forget(parts, sandbox.id, cgroup_of(parts, sandbox))
    parts.store.sandboxes.remove(sandbox)
    transitions.publish(parts, events.DELETED, sandbox, sandbox.id)
