"""RunPodSandbox: namespaces, files, network, and a record of it all.

A repeated request for the same pod and attempt (the kubelet's call timed out, ours went on) joins the running job or
returns the finished sandbox. A failure at any step takes back every earlier one.
"""

import asyncio
import contextlib
import os
import secrets
import time

from component.logging import get_logger
from cri import errors, events, transitions
from cri.oci_spec import namespaces as oci_namespaces
from cri.parts import Parts
from cri.runtime.cgroup_names import check_parent
from cri.runtime.handlers import Handler
from cri.sandboxes import files, idmapped_mounts, namespaces, network, pid_holder
from cri.store import READY, Sandbox
from linux import links, netns
from protocols.cri import api_pb2

_log = get_logger("sandbox")
_SLOW = 1.0


def full_name(config: api_pb2.PodSandboxConfig) -> str:
    """The name a sandbox is reserved under."""
    metadata = config.metadata
    return f"k8s_{metadata.name}_{metadata.namespace}_{metadata.uid}_{metadata.attempt}"


async def run_pod_sandbox(parts: Parts, request: api_pb2.RunPodSandboxRequest) -> api_pb2.RunPodSandboxResponse:
    """Answer RunPodSandbox."""
    config = request.config
    _check(config)
    check_parent(parts.host, config.linux.cgroup_parent)
    handler = parts.handlers.get(request.runtime_handler)
    _check_user_namespace(parts, handler, config)
    name = full_name(config)
    table = parts.store.sandboxes
    job = table.names.job(name)
    if job is not None:
        return api_pb2.RunPodSandboxResponse(pod_sandbox_id=await asyncio.shield(job))
    existing = table.by_name(name)
    if existing is not None:
        if existing.state == READY and existing.config == config:
            return api_pb2.RunPodSandboxResponse(pod_sandbox_id=existing.id)
        raise errors.AlreadyExists(f"pod sandbox name {name} is taken by {existing.id}; remove it or raise the attempt")
    with table.names.reserve(name) as reserved:
        sandbox_id = secrets.token_hex(32)
        sandbox = Sandbox(
            id=sandbox_id,
            name=name,
            config=config,
            directory=table.path(sandbox_id),
            runtime_handler=request.runtime_handler,
            handler=handler.name,
            created_at=time.time_ns(),
            cgroup_parent=config.linux.cgroup_parent or parts.config.default_cgroup_parent,
        )
        table.add(sandbox)
        try:
            await parts.making(_set_up, parts, sandbox)
            if config.linux.security_context.namespace_options.pid == api_pb2.POD:
                await parts.making(pid_holder.start, parts, handler, sandbox)
        except BaseException:
            await parts.blocking(tear_down, parts, sandbox)
            table.remove(sandbox)
            raise
        sandbox.complete = True
        table.save(sandbox)
        if sandbox.pid_holder:
            parts.exits.watch(sandbox.id, sandbox.pid_holder)
        reserved.set_result(sandbox.id)
    transitions.publish(parts, events.CREATED, sandbox, sandbox.id)
    transitions.publish(parts, events.STARTED, sandbox, sandbox.id)
    return api_pb2.RunPodSandboxResponse(pod_sandbox_id=sandbox.id)


def _check(config: api_pb2.PodSandboxConfig) -> None:
    metadata = config.metadata
    if not (metadata.name and metadata.namespace and metadata.uid):
        raise errors.InvalidArgument("PodSandboxConfig.Metadata needs name, namespace and uid")
    context = config.linux.security_context
    if context.HasField("run_as_group") and not context.HasField("run_as_user"):
        raise errors.InvalidArgument("user group is specified without user, invalid")
    oci_namespaces.check_sandbox_options(context.namespace_options)
    if len(config.hostname) > 64:
        raise errors.InvalidArgument(f"hostname {config.hostname!r} is longer than 64 characters")


def _check_user_namespace(parts: Parts, handler: Handler, config: api_pb2.PodSandboxConfig) -> None:
    options = config.linux.security_context.namespace_options
    wanted = options.HasField("userns_options") and options.userns_options.mode == api_pb2.POD
    if wanted and not (handler.user_namespaces and parts.host.idmapped_mounts):
        raise errors.InvalidArgument(f"runtime handler {handler.name} does not offer user namespaces on this host")


def _set_up(parts: Parts, sandbox: Sandbox) -> None:
    """Everything that blocks."""
    begun = time.monotonic()
    config = sandbox.config
    options = config.linux.security_context.namespace_options
    kinds = namespaces.wanted(options)
    hostname = config.hostname or os.uname().nodename
    sysctls = _sysctls(parts, config, kinds)
    files.write(sandbox.directory, config, hostname)
    if "ipc" in kinds:
        files.make_shm(sandbox.directory, parts.config.shm_size)
    files.make_log_directory(config.log_directory)
    user = options.userns_options
    if options.HasField("userns_options") and user.mode == api_pb2.POD:
        mappings = (list(user.uids), list(user.gids))
        paths = namespaces.make_with_user(sandbox.directory / "ns", kinds, config.hostname, sysctls, mappings)
        sandbox.user_namespace = paths["user"]
        # One view of the whole store with shifted owners serves all containers of the pod.
        idmapped_mounts.mount(str(parts.layers.home), sandbox.directory / "idmapped-store", paths["user"])
    else:
        paths = namespaces.make(sandbox.directory / "ns", kinds, config.hostname, sysctls)
    sandbox.ipc_namespace, sandbox.uts_namespace = paths.get("ipc", ""), paths.get("uts", "")
    sandbox.network_namespace = paths.get("net", "")
    named = time.monotonic()
    if sandbox.network_namespace:
        # On disk before ADD: whatever happens from here on, the next life knows that DEL is due.
        sandbox.attached = True
        parts.store.sandboxes.save(sandbox)
        netns.run_in(sandbox.network_namespace, lambda: links.set_up("lo"))
        sandbox.network, sandbox.addresses = parts.networks.attach(sandbox.id, config, sandbox.network_namespace)
    ended = time.monotonic()
    if ended - begun > _SLOW:
        _log.warning(
            "Slow sandbox",
            pod=network.pod_name(config),
            namespaces=f"{named - begun:.3f}s",
            network=f"{ended - named:.3f}s",
        )


def _sysctls(parts: Parts, config: api_pb2.PodSandboxConfig, kinds: list[str]) -> dict[str, str]:
    asked = dict(config.linux.sysctls)
    namespaces.check_sysctls(asked, kinds)
    result = {}
    for entry in parts.config.default_sysctls:
        key, _, value = entry.partition("=")
        with contextlib.suppress(errors.InvalidArgument):
            namespaces.check_sysctls({key: value}, kinds)
            result[key] = value
    return {**result, **asked}


def tear_down(parts: Parts, sandbox: Sandbox) -> None:
    """Take back what ``_set_up`` and the holder of the PID namespace did; blocks, never raises for what is gone."""
    pid_holder.stop(parts, sandbox)
    if sandbox.attached:
        try:
            parts.networks.detach(sandbox.id, sandbox.config, sandbox.network_namespace, sandbox.network)
        except errors.CRIError as error:
            _log.warning("Network tear-down failed", pod=network.pod_name(sandbox.config), cause=str(error))
        else:
            sandbox.attached = False
    files.remove(sandbox.directory)
