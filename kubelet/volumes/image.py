"""Image volumes: the runtime mounts the image; here it is only named."""

from __future__ import annotations

from typing import Any

from kubelet.volumes.source import Mounted, VolumeContext

Obj = dict[str, Any]


async def set_up(context: VolumeContext, volume: Obj) -> Mounted:
    """Hand the reference on."""
    del context
    source = volume["image"]
    return Mounted(image=source.get("reference") or "", pull_policy=source.get("pullPolicy") or "", read_only=True)
