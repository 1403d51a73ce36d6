"""Secret volumes: on tmpfs, so that no secret reaches the disk."""

from __future__ import annotations

from typing import Any

from kubelet.environment import decoded
from kubelet.volumes import atomic_writer, memory_mount
from kubelet.volumes.key_paths import select
from kubelet.volumes.source import Mounted, VolumeContext, VolumeError

Obj = dict[str, Any]


async def set_up(context: VolumeContext, volume: Obj) -> Mounted:
    """Project a Secret's keys.

    Raises:
        VolumeError: it is missing and not optional.
    """
    source = volume["secret"]
    obj = context.lookup("secrets", source.get("secretName") or "")
    if obj is None and not source.get("optional"):
        raise VolumeError(f'secret "{source.get("secretName")}" not found')
    data = decoded(obj) if obj is not None else {}
    optional = bool(source.get("optional"))
    payload = select(data, source.get("items"), source.get("defaultMode", 0o644), optional=optional)
    memory_mount.ensure(context.directory)
    atomic_writer.write(context.directory, payload, context.group)
    return Mounted(str(context.directory), read_only=True, managed=True)
