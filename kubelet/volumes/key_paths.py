"""Pure: which keys of a ConfigMap or Secret become which files (`items`)."""

from __future__ import annotations

from typing import Any

from kubelet.volumes.atomic_writer import File
from kubelet.volumes.source import VolumeError

Obj = dict[str, Any]


def select(data: dict[str, bytes], items: list[Obj] | None, mode: int, *, optional: bool) -> dict[str, File]:
    """Files by path.

    Raises:
        VolumeError: an item names a key that does not exist.
    """
    if not items:
        return {key: File(value, mode) for key, value in data.items()}
    result: dict[str, File] = {}
    for item in items:
        if item["key"] not in data:
            if optional:
                continue
            raise VolumeError(f"references non-existent config key: {item['key']}")
        chosen = item.get("mode")
        result[item["path"]] = File(data[item["key"]], mode if chosen is None else chosen)
    return result
