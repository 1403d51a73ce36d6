"""ConfigMap volumes."""

from __future__ import annotations

from typing import Any

from kubelet.environment import contents
from kubelet.volumes import atomic_writer
from kubelet.volumes.key_paths import select
from kubelet.volumes.source import Mounted, VolumeContext, VolumeError

Obj = dict[str, Any]


async def set_up(context: VolumeContext, volume: Obj) -> Mounted:
    """Project a ConfigMap's keys.

    Raises:
        VolumeError: it is missing and not optional.
    """
    source = volume["configMap"]
    obj = context.lookup("configmaps", source.get("name") or "")
    if obj is None and not source.get("optional"):
        raise VolumeError(f'configmap "{source.get("name")}" not found')
    data = contents("configmaps", obj) if obj is not None else {}
    optional = bool(source.get("optional"))
    payload = select(data, source.get("items"), source.get("defaultMode", 0o644), optional=optional)
    atomic_writer.write(context.directory, payload, context.group)
    return Mounted(str(context.directory), read_only=True, managed=True)
