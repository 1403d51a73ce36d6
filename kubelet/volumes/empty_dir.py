"""emptyDir: a directory of the pod's life, on disk or in memory."""

from __future__ import annotations

from typing import Any

from kubelet.resources.amounts import whole
from kubelet.volumes import memory_mount, ownership
from kubelet.volumes.source import Mounted, VolumeContext

Obj = dict[str, Any]


async def set_up(context: VolumeContext, volume: Obj) -> Mounted:
    """Make it, once; mode 0777, group fsGroup."""
    source = volume.get("emptyDir") or {}
    fresh = not context.directory.exists()
    context.directory.mkdir(parents=True, exist_ok=True)
    if source.get("medium") == "Memory":
        size = whole(source["sizeLimit"]) if source.get("sizeLimit") else _pod_memory(context.pod)
        memory_mount.ensure(context.directory, size)
    if fresh:
        context.directory.chmod(0o777)
        ownership.set_group(context.directory, context.group)
    return Mounted(str(context.directory), managed=True)


def _pod_memory(pod: Obj) -> int:
    limits = [((c.get("resources") or {}).get("limits") or {}).get("memory") for c in pod["spec"]["containers"]]
    if not all(limits):
        return 0
    return sum(whole(limit) for limit in limits)
