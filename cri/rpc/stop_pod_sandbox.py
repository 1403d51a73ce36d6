"""StopPodSandbox: ends the pod's containers and gives its network resources back.

It succeeds although the network configuration, the namespace or the containers have gone: a pod that cannot be stopped
would block its node for ever.
"""

import asyncio

from component.logging import get_logger
from cri import errors, transitions
from cri.parts import Parts
from cri.rpc import stop_container
from cri.sandboxes import files, pid_holder
from cri.sandboxes.network import pod_name
from cri.store import Sandbox
from protocols.cri import api_pb2

_log = get_logger("stop-sandbox")


async def stop_pod_sandbox(parts: Parts, request: api_pb2.StopPodSandboxRequest) -> api_pb2.StopPodSandboxResponse:
    """Answer StopPodSandbox; an unknown sandbox is a stopped one."""
    sandbox = parts.store.sandboxes.find(request.pod_sandbox_id)
    if sandbox is not None:
        await stop(parts, sandbox)
    return api_pb2.StopPodSandboxResponse()


async def stop(parts: Parts, sandbox: Sandbox) -> None:
    """Stop a sandbox."""
    containers = [c for c in parts.store.containers_of(sandbox.id) if c.complete]
    await asyncio.gather(*(stop_container.stop(parts, c, 0) for c in containers))
    transitions.sandbox_stopped(parts, sandbox)
    await parts.blocking(_give_back, parts, sandbox)
    parts.store.sandboxes.save(sandbox)


def _give_back(parts: Parts, sandbox: Sandbox) -> None:
    pid_holder.stop(parts, sandbox)
    if sandbox.attached:
        try:
            parts.networks.detach(sandbox.id, sandbox.config, sandbox.network_namespace, sandbox.network)
        except errors.CRIError as error:
            _log.warning("Network tear-down failed", pod=pod_name(sandbox.config), cause=str(error))
            # The namespace goes all the same and takes its interfaces with it; garbage collection frees the address.
        sandbox.attached = False
    files.remove(sandbox.directory)
    sandbox.addresses = []
