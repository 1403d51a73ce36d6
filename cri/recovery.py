"""Takes over what an earlier life of this process left: on disk, in the kernel, in the store.

conmon kept the containers running meanwhile. For each container on record: still alive (same pid, same start time) is
watched again, an exit file that came meanwhile is taken in, everything else has exited with an unknown status. Objects
that were half-made are taken back. Layers in the shared store that carry our mark but belong to nobody are deleted;
other tools' containers are never touched.
"""

import contextlib
import os
import pathlib

from component.logging import get_logger
from cri import erasure, errors, transitions
from cri.images import orphans
from cri.images.layers import owner
from cri.parts import Parts
from cri.rpc import create_container, run_pod_sandbox
from cri.runtime import conmon
from cri.store import CREATED, EXITED, READY, Container, Sandbox
from linux import mounts, processes

_log = get_logger("recovery")


async def recover(parts: Parts) -> None:
    """Bring the store, the watchers and the host together."""
    parts.store.load()
    for container in parts.store.containers:
        if not container.complete:
            await _take_back_container(parts, container)
    for sandbox in parts.store.sandboxes:
        if not sandbox.complete:
            _log.info("Removing a half-made sandbox", sandbox=sandbox.name)
            await parts.blocking(run_pod_sandbox.tear_down, parts, sandbox)
            parts.store.sandboxes.remove(sandbox)
    for sandbox in parts.store.sandboxes:
        _check_sandbox(parts, sandbox)
    for container in parts.store.containers:
        _check_container(parts, container)
    await parts.blocking(_collect_layers, parts)
    await parts.blocking(orphans.tidy, parts.images, parts.layers)
    await parts.blocking(_collect_attachments, parts)
    await parts.blocking(parts.puller.clean)
    if len(parts.store.sandboxes):
        _log.info("Recovered", sandboxes=len(parts.store.sandboxes), containers=len(parts.store.containers))


async def _take_back_container(parts: Parts, container: Container) -> None:
    _log.info("Removing a half-made container", container=container.name)
    with contextlib.suppress(OSError, ValueError):
        pid = int(container.pid_file.read_text())
        if str(container.directory).encode() in _command_line(pid) or container.id in _cgroups(pid):
            processes.kill(pid)
    await parts.blocking(erasure.container, parts, container)
    parts.store.containers.remove(container)


def _check_sandbox(parts: Parts, sandbox: Sandbox) -> None:
    if sandbox.state != READY:
        return
    lost = [
        path
        for path in (sandbox.network_namespace, sandbox.ipc_namespace, sandbox.uts_namespace)
        if path and not mounts.is_mount_point(path)
    ]
    if sandbox.pid_holder:
        if processes.is_alive(sandbox.pid_holder, sandbox.pid_holder_started):
            parts.exits.watch(sandbox.id, sandbox.pid_holder)
        else:
            lost.append(sandbox.pid_namespace)
    if lost:
        _log.warning("Sandbox lost its namespaces", sandbox=sandbox.name, namespaces=",".join(lost))
        transitions.sandbox_stopped(parts, sandbox)


def _check_container(parts: Parts, container: Container) -> None:
    if container.state == EXITED:
        container.exited.set()
        return
    alive = processes.is_alive(container.pid, container.pid_started)
    status = conmon.exit_status(parts.exits.directory, container.id)
    if alive and status is None:
        if container.state == CREATED and not _waits_to_start(parts, container):
            transitions.started(parts, container)  # we died between starting it and writing that down
        parts.exits.watch(container.id, container.pid)
        return
    if status is None and conmon.monitor(container.directory):
        parts.exits.watch(container.id, container.pid)  # it has just ended; conmon is about to write the status
        return
    code, when = status if status is not None else (255, 0)
    transitions.exited(parts, container.id, code, when)


def _waits_to_start(parts: Parts, container: Container) -> bool:
    try:
        runtime = parts.handlers.get(container.runtime_handler).runtime
    except errors.NotFound:  # its handler is not configured any more
        return False
    return (runtime.state_directory(container.id) / "exec.fifo").exists()


def _collect_layers(parts: Parts) -> None:
    """Delete layers of ours that no record knows, and mount those of living containers again if they were unmounted."""
    known = {c.id: c for c in parts.store.containers}
    known_mounts = {name for c in parts.store.containers for name in c.image_mounts}
    mounted = {m.path for m in mounts.mountinfo()}
    for record in parts.layers.containers():
        container_id = record["id"]
        if container_id in known:
            rootfs = known[container_id].rootfs
            if known[container_id].state != EXITED and rootfs and rootfs not in mounted:
                _log.warning("Mounting a container's layer again", container=known[container_id].name)
                sandbox = parts.store.sandboxes.find(known[container_id].sandbox_id)
                view = create_container.view_of_the_store(sandbox) if sandbox is not None else ""
                with contextlib.suppress(OSError, errors.CRIError):
                    parts.layers.mount(record["layer"], view)
        elif owner(record) == parts.layers.mark and container_id not in known_mounts:
            _log.info("Deleting a layer of an earlier life", container=container_id)
            parts.layers.delete(container_id)


def _collect_attachments(parts: Parts) -> None:
    if not os.path.isdir(parts.config.cni_cache_dir):
        return
    try:
        parts.networks.collect([s.id for s in parts.store.sandboxes if s.attached])
    except (errors.CRIError, OSError) as error:
        _log.warning("Cannot collect stale network attachments", cause=str(error))


def _command_line(pid: int) -> bytes:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _cgroups(pid: int) -> str:
    try:
        return pathlib.Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return ""
