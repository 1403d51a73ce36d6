"""downwardAPI volumes: the pod's own metadata and resources as files."""

from __future__ import annotations

from typing import Any

from kubelet.downward import FieldError, field_value, resource_value
from kubelet.volumes import atomic_writer
from kubelet.volumes.atomic_writer import File
from kubelet.volumes.source import Mounted, VolumeContext, VolumeError

Obj = dict[str, Any]


def payload(context: VolumeContext, items: list[Obj], mode: int) -> dict[str, File]:
    """Files of the items.

    Raises:
        VolumeError: a reference is not supported.
    """
    result: dict[str, File] = {}
    for item in items:
        try:
            if item.get("fieldRef"):
                text = field_value(context.pod, item["fieldRef"]["fieldPath"])
            else:
                reference = item["resourceFieldRef"]
                text = resource_value(context.pod, {}, reference, context.allocatable)
        except FieldError as error:
            raise VolumeError(str(error)) from error
        chosen = item.get("mode")
        result[item["path"]] = File(text.encode(), mode if chosen is None else chosen)
    return result


async def set_up(context: VolumeContext, volume: Obj) -> Mounted:
    """Project the items."""
    source = volume["downwardAPI"]
    files = payload(context, source.get("items") or [], source.get("defaultMode", 0o644))
    atomic_writer.write(context.directory, files, context.group)
    return Mounted(str(context.directory), read_only=True, managed=True)
