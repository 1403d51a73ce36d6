"""StopPodSandbox: ends the pod's containers and gives its network resources back.

It succeeds although the network configuration, the namespace or the containers have gone: a pod that cannot be stopped
would block its node for ever.
"""

import asyncio

from component.logging import get_logger
from cri import errors, transitions
from cri.parts import Parts
from cri.rpc import stop_container
from cri.runtime import conmon
from cri.sandboxes import files, pid_holder
from cri.sandboxes.network import pod_name
from cri.store import Sandbox
from protocols.cri import api_pb2

_log = get_logger("stop-sandbox")
_CREATION_GRACE = 2.0


async def stop_pod_sandbox(parts: Parts, request: api_pb2.StopPodSandboxRequest) -> api_pb2.StopPodSandboxResponse:
    """Answer StopPodSandbox; an unknown sandbox is a stopped one."""
    sandbox = parts.store.sandboxes.find(request.pod_sandbox_id)
    if sandbox is not None:
        await stop(parts, sandbox)
    return api_pb2.StopPodSandboxResponse()


async def stop(parts: Parts, sandbox: Sandbox) -> None:
    """Stop a sandbox."""
    sandbox.stopping = True
    await _end_creations(parts, sandbox)
    containers = [c for c in parts.store.containers_of(sandbox.id) if c.complete]
    await asyncio.gather(*(stop_container.stop(parts, c, 0) for c in containers))
    transitions.sandbox_stopped(parts, sandbox)
    await parts.blocking(_give_back, parts, sandbox)
    transitions.record(parts.store.sandboxes, sandbox)


async def _end_creations(parts: Parts, sandbox: Sandbox) -> None:
    """Containers that are being made get a moment to be ready; then their making is broken off."""
    for container in parts.store.containers_of(sandbox.id):
        job = parts.store.containers.names.job(container.name)
        if container.complete or job is None:
            continue
        done, _ = await asyncio.wait({job}, timeout=_CREATION_GRACE)
        if not done:
            _log.warning("Breaking off the creation of a container", container=container.name)
            await parts.blocking(conmon.kill_monitor, container.directory)
            await asyncio.wait({job})


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
