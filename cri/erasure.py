"""Removes what the OCI runtime, conmon, the kernel and the store keep of a container. Blocks; call it in a thread.

Works as well for what is half-made, or whose OCI runtime or conmon was killed at work and cleaned nothing up.
"""

from component.logging import get_logger
from cri import errors
from cri.container_mounts import MAPPED
from cri.parts import Parts
from cri.runtime import conmon, stray_cgroups
from cri.runtime.cgroup_names import file_system_path
from cri.store import Container, Sandbox
from linux import mounts

_log = get_logger("erasure")


def container(parts: Parts, container: Container) -> None:
    """Everything of a container but its record."""
    _process(parts, container, container.cgroup_path, half_made=not container.complete)
    if (container.directory / MAPPED).exists():
        mounts.unmount_tree(str(container.directory))
    parts.garbage.update((container.id, *container.image_mounts))
    _layers(parts)
    (parts.exits.directory / container.id).unlink(missing_ok=True)


def pid_holder(parts: Parts, sandbox: Sandbox, cgroup_path: str) -> None:
    """The process that holds a pod's PID namespace."""
    _process(parts, sandbox, cgroup_path, half_made=not sandbox.complete)


def _process(parts: Parts, owner: Container | Sandbox, cgroup_path: str, *, half_made: bool) -> None:
    try:
        parts.handlers.get(owner.handler).runtime.delete(owner.id)
    except errors.CRIError as error:
        _log.warning("The OCI runtime could not delete a container", container=owner.name, cause=str(error))
    conmon.kill_monitor(owner.directory)
    path = file_system_path(cgroup_path)
    try:
        if parts.cgroups.exists(path):
            parts.cgroups.remove_tree(path)
            half_made = True
    except OSError as error:
        _log.warning("A control group stays behind", container=owner.name, path=path, cause=str(error))
    if half_made:
        stray_cgroups.tidy(path, everywhere=False)


def _layers(parts: Parts) -> None:
    """Delete layers; those that cannot be deleted now (the disk is full) are tried again with the next container."""
    for name in sorted(parts.garbage):
        try:
            parts.layers.delete(name)
        except errors.ResourceExhausted as error:
            _log.warning("A layer stays for now", layer=name, cause=str(error))
        else:
            parts.garbage.discard(name)
