"""CreateContainer: a root file system, an OCI configuration, and a created (not yet started) container under conmon.

As for sandboxes, a repeated request joins the running job or returns the finished container, and a failure takes back
every earlier step.
"""

import asyncio
import dataclasses
import datetime
import json
import os
import pathlib
import posixpath
import secrets
import signal
import time
from typing import Any

from component.logging import get_logger
from cri import cdi, container_mounts, erasure, errors, events, host_facts, image_volumes, transitions
from cri.images import users
from cri.images.storage import Image
from cri.oci_spec import build, capabilities, mounts, namespaces, process, seccomp, seccomp_default, security_labels
from cri.parts import Parts
from cri.rpc import container_status
from cri.runtime import conmon, seccomp_filter
from cri.runtime.cgroup_names import cgroups_path
from cri.runtime.handlers import Handler
from cri.sandboxes import files, idmapped_mounts
from cri.store import READY, Container, Sandbox
from linux import processes
from protocols.cri import api_pb2

_log = get_logger("container")
_SLOW = 1.0
_MACHINE = os.uname().machine


def full_name(config: api_pb2.ContainerConfig, sandbox: api_pb2.PodSandboxConfig) -> str:
    """The name a container is reserved under."""
    pod = sandbox.metadata
    return f"k8s_{config.metadata.name}_{pod.name}_{pod.namespace}_{pod.uid}_{config.metadata.attempt}"


async def create_container(parts: Parts, request: api_pb2.CreateContainerRequest) -> api_pb2.CreateContainerResponse:
    """Answer CreateContainer."""
    config = request.config
    sandbox = parts.store.sandboxes.get(request.pod_sandbox_id)
    if sandbox.state != READY or sandbox.stopping:
        raise errors.FailedPrecondition(f"pod sandbox {sandbox.id} is not ready")
    if not config.metadata.name:
        raise errors.InvalidArgument("ContainerConfig.Metadata needs a name")
    if not config.image.image:
        raise errors.InvalidArgument("ContainerConfig.Image is empty")
    table = parts.store.containers
    name = full_name(config, sandbox.config)
    job = table.names.job(name)
    if job is not None:
        return api_pb2.CreateContainerResponse(container_id=await asyncio.shield(job))
    existing = table.by_name(name)
    if existing is not None:
        if existing.sandbox_id == sandbox.id and existing.config == config:
            return api_pb2.CreateContainerResponse(container_id=existing.id)
        raise errors.AlreadyExists(f"container name {name} is taken by {existing.id}; remove it or raise the attempt")
    handler = parts.handlers.get(sandbox.handler)
    with table.names.reserve(name) as reserved:
        container_id = secrets.token_hex(32)
        container = Container(
            id=container_id,
            sandbox_id=sandbox.id,
            name=name,
            config=config,
            directory=table.path(container_id),
            runtime_handler=handler.name,
            created_at=time.time_ns(),
            log_path=_log_path(parts, sandbox, config, container_id),
            cgroup_path=cgroups_path(parts.host, sandbox.cgroup_parent, container_id),
        )
        table.add(container)
        target_pid = _target_pid(parts, config)
        try:
            await parts.making(_make, parts, handler, sandbox, container, target_pid)
        except BaseException:
            await parts.blocking(erasure.container, parts, container)
            table.remove(container)
            raise
        container.complete = True
        table.save(container)
        parts.exits.watch(container.id, container.pid)
        reserved.set_result(container.id)
    transitions.publish_container(parts, events.CREATED, container)
    return api_pb2.CreateContainerResponse(container_id=container.id)


def _target_pid(parts: Parts, config: api_pb2.ContainerConfig) -> int:
    options = config.linux.security_context.namespace_options
    if options.pid != api_pb2.TARGET:
        return 0
    return parts.store.containers.get(options.target_id).pid


def _log_path(parts: Parts, sandbox: Sandbox, config: api_pb2.ContainerConfig, container_id: str) -> str:
    directory = sandbox.config.log_directory or posixpath.join(parts.config.log_dir, sandbox.id)
    return posixpath.normpath(posixpath.join(directory, config.log_path or f"{container_id}.log"))


def _make(parts: Parts, handler: Handler, sandbox: Sandbox, container: Container, target_pid: int) -> None:
    """Everything that blocks."""
    begun = time.monotonic()
    config = container.config
    image = _find_image(parts, config.image.image)
    image_config = parts.images.config(image.id)
    _describe_image(container, image)
    container.foreign_architecture = _foreign_architecture(container, image_config)
    created = datetime.datetime.fromtimestamp(container.created_at / 1e9, datetime.UTC)
    layer = parts.layers.create(
        container.id, [container.name], image, _metadata(sandbox, container), f"{created:%Y-%m-%dT%H:%M:%S.%fZ}"
    )
    view = view_of_the_store(sandbox)
    if view:
        user = sandbox.config.linux.security_context.namespace_options.userns_options
        parts.layers.give_to(layer, user.uids[0].host_id, user.gids[0].host_id)
    container.rootfs = parts.layers.mount(layer, view)
    stored = time.monotonic()
    facts = _facts(parts, handler, sandbox, container, image_config.get("config") or {})
    facts = dataclasses.replace(facts, target_pid=target_pid)
    if sandbox.user_namespace:
        # The OCI runtime does its work as the pod's root, who is nobody to the node.
        sources = (container.rootfs, str(sandbox.directory / "shm"), *(bind.source for bind in facts.binds))
        for path in sources:
            idmapped_mounts.make_accessible(path)
    _check_working_directory(config, facts.image)
    spec = build.build(facts)
    (container.directory / "config.json").write_text(json.dumps(spec))
    files.make_log_directory(os.path.dirname(container.log_path))
    described = time.monotonic()
    container.pid = conmon.create(
        parts.conmon,
        conmon.Job(
            container_id=container.id,
            name=container.name,
            bundle=container.directory,
            exits=parts.exits.directory,
            log_path=container.log_path,
            runtime=handler.runtime.path,
            runtime_root=handler.runtime.root,
            systemd_cgroup=handler.runtime.systemd_cgroup,
            terminal=config.tty,
            stdin=config.stdin,
            stdin_once=config.stdin_once,
            log_size_max=parts.config.log_size_max,
            no_pivot=parts.config.no_pivot,
        ),
    )
    container.pid_started = processes.start_time(container.pid)
    ended = time.monotonic()
    if ended - begun > _SLOW:
        _log.warning(
            "Slow container",
            container=container.name,
            storage=f"{stored - begun:.3f}s",
            configuration=f"{described - stored:.3f}s",
            runtime=f"{ended - described:.3f}s",
        )


def view_of_the_store(sandbox: Sandbox) -> str:
    """The store with its owners mapped into the pod's user namespace, if it has one."""
    return str(sandbox.directory / "idmapped-store") if sandbox.user_namespace else ""


def _find_image(parts: Parts, name: str) -> Image:
    image = parts.images.find(name)
    if image is None:
        raise errors.NotFound(f"image {name!r} is not present: pull it first")
    return image


def _describe_image(container: Container, image: Image) -> None:
    spec = container.config.image
    named = spec.user_specified_image or spec.image
    if image.id.startswith(named.removeprefix("sha256:")) and image.names:
        named = image.names[0]
    container.image_name = named
    container.image_id = image.id
    container.image_ref = image.digested[0] if image.digested else image.id


def _foreign_architecture(container: Container, image: dict[str, Any]) -> str:
    """What the image is for, if not for this node. An emulator may run it all the same, so it is no error yet."""
    asked = str(image.get("architecture") or "")
    if not asked or asked == seccomp.GO_ARCHITECTURES.get(_MACHINE, asked):
        return ""
    _log.warning("Image is for another architecture", container=container.name, architecture=asked)
    return asked


def _metadata(sandbox: Sandbox, container: Container) -> dict[str, Any]:
    pod = sandbox.config.metadata
    return {
        "pod-name": sandbox.name,
        "pod-id": sandbox.id,
        "image-name": container.image_name,
        "image-id": container.image_id,
        "name": container.name,
        "metadata-name": container.config.metadata.name,
        "uid": pod.uid,
        "namespace": pod.namespace,
        "attempt": container.config.metadata.attempt,
        "created-at": container.created_at // 10**9,
    }


def _facts(
    parts: Parts, handler: Handler, sandbox: Sandbox, container: Container, image: dict[str, Any]
) -> build.Facts:
    config = container.config
    context = config.linux.security_context
    user = users.resolve(container.rootfs, context, str(image.get("User") or ""))
    container.uid, container.gid, container.groups = user.uid, user.gid, list(user.groups)
    container.stop_signal = _stop_signal(config, image)
    allowed = capabilities.allowed(context, parts.config.default_capabilities, parts.host)
    profile = _seccomp_profile(parts, context, allowed)
    container.seccomp = profile is not None
    compiled = seccomp_filter.compiled(profile) if profile is not None and handler.runtime.kind == "crun" else ""
    resolver = container_mounts.MountResolver(
        parts.images,
        parts.layers,
        container,
        sandbox.user_namespace,
        view=view_of_the_store(sandbox),
        reject_absent=parts.config.absent_mount_sources_to_reject,
    )
    container.image_mounts = resolver.image_mounts
    binds = resolver.resolve(list(config.mounts), rro=handler.recursive_read_only and parts.host.recursive_read_only)
    read_only = context.readonly_rootfs or parts.config.read_only
    edits = cdi.resolve([device.name for device in config.CDI_devices], parts.config.cdi_spec_dirs)
    nodes = container_mounts.device_nodes(
        list(config.devices),
        parts.config.additional_devices,
        privileged=context.privileged and handler.host_devices,
    )
    if parts.config.device_ownership_from_security_context:
        nodes = container_mounts.owned(nodes, context)
    return build.Facts(
        config=config,
        sandbox=sandbox.config,
        image=image,
        host=parts.host,
        container_id=container.id,
        sandbox_id=sandbox.id,
        rootfs=container.rootfs,
        cgroups_path=container.cgroup_path,
        user=user,
        pod_namespaces=namespaces.PodNamespaces(
            network=sandbox.network_namespace,
            ipc=sandbox.ipc_namespace,
            uts=sandbox.uts_namespace,
            user=sandbox.user_namespace,
            pid=sandbox.pid_namespace,
        ),
        allowed=allowed,
        seccomp=profile,
        seccomp_filter=compiled,
        apparmor=security_labels.apparmor(context, parts.host, host_facts.loaded_apparmor_profiles()),
        labels=security_labels.selinux(context.selinux_options, parts.host, privileged=context.privileged),
        system_mounts=_system_mounts(parts, sandbox, context, read_only=read_only),
        binds=binds,
        extra_mounts=(*_volumes(parts, sandbox, container, image, read_only=read_only), *edits.mounts),
        device_nodes=(*nodes, *edits.device_nodes),
        limits=_limits(parts.config.default_ulimits),
        pids_limit=parts.config.pids_limit,
        hostname=sandbox.config.hostname or os.uname().nodename,
        read_only_root=read_only,
        environment=(*parts.config.default_env, *edits.environment),
        hooks=edits.hooks,
    )


def _system_mounts(
    parts: Parts, sandbox: Sandbox, context: api_pb2.LinuxContainerSecurityContext, *, read_only: bool
) -> mounts.SystemMounts:
    directory = sandbox.directory
    own_ipc = bool(sandbox.ipc_namespace)
    return mounts.SystemMounts(
        privileged=context.privileged,
        host_ipc=not own_ipc,
        host_network=not sandbox.network_namespace,
        user_namespace=bool(sandbox.user_namespace),
        read_only_root=read_only,
        shm=str(directory / "shm") if own_ipc else "/dev/shm",
        resolv_conf=str(directory / "resolv.conf"),
        hostname=str(directory / "hostname"),
        cgroup_version=parts.host.cgroup_version,
    )


def _seccomp_profile(
    parts: Parts, context: api_pb2.LinuxContainerSecurityContext, allowed: frozenset[str]
) -> dict[str, Any] | None:
    kind, path = seccomp.wanted(context)
    if kind == seccomp.UNCONFINED or not parts.host.seccomp:
        return None
    if kind == seccomp.RUNTIME_DEFAULT:
        if not parts.config.seccomp_profile:
            return seccomp_default.default_profile(
                allowed, _MACHINE, compatible=parts.config.seccomp_compatible_architectures
            )
        path = parts.config.seccomp_profile
    try:
        profile = json.loads(pathlib.Path(path).read_bytes())
    except OSError as error:
        raise errors.InvalidArgument(f"cannot read seccomp profile {path}: {error.strerror}") from error
    except ValueError as error:
        raise errors.InvalidArgument(f"seccomp profile {path} is not JSON: {error}") from error
    try:
        seccomp.check_profile(profile)
    except errors.InvalidArgument as error:
        raise errors.InvalidArgument(f"{path} is not a seccomp profile: {error}") from error
    return seccomp.reduce_profile(profile, allowed, _MACHINE)


def _volumes(
    parts: Parts, sandbox: Sandbox, container: Container, image: dict[str, Any], *, read_only: bool
) -> list[mounts.Mount]:
    shift_uid = shift_gid = 0
    if sandbox.user_namespace:
        user = sandbox.config.linux.security_context.namespace_options.userns_options
        shift_uid, shift_gid = user.uids[0].host_id, user.gids[0].host_id
    beside = parts.layers.directory(container.id)
    place = image_volumes.Place(
        container.rootfs, beside, shift_uid + container.uid, shift_gid + container.gid, read_only
    )
    return image_volumes.prepare(parts.config.image_volumes, image, place)


def _stop_signal(config: api_pb2.ContainerConfig, image: dict[str, Any]) -> int:
    if config.stop_signal != api_pb2.RUNTIME_DEFAULT:
        number = container_status.signal_number(api_pb2.Signal.Name(config.stop_signal))
        if number:
            return number
    text = str(image.get("StopSignal") or "")
    if text.isdecimal():
        return int(text)
    return container_status.signal_number(text) or signal.SIGTERM


def _limits(entries: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """``nofile=1024:2048`` entries of the configuration."""
    result = {}
    for entry in entries:
        name, _, values = entry.partition("=")
        soft, _, hard = values.partition(":")
        try:
            result[f"RLIMIT_{name.upper()}"] = (int(soft), int(hard or soft))
        except ValueError as error:
            raise errors.InvalidArgument(f"default_ulimits: {entry!r} is not NAME=SOFT[:HARD]") from error
    return result


def _check_working_directory(config: api_pb2.ContainerConfig, image: dict[str, Any]) -> None:
    """Refuse what the OCI runtimes would take for a place in their own; one that is missing they make."""
    directory = process.working_directory(config, image)
    if not directory.startswith("/"):
        raise errors.InvalidArgument(f"working directory {directory!r} is not an absolute path")
