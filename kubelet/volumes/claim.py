"""PersistentVolumeClaims whose volume is a hostPath or a local path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubelet.volumes import ownership
from kubelet.volumes.host_path import check
from kubelet.volumes.source import Mounted, VolumeContext, VolumeError

Obj = dict[str, Any]


async def set_up(context: VolumeContext, volume: Obj) -> Mounted:
    """Resolve claim and volume.

    Raises:
        VolumeError: not bound, or of a kind this node can't mount.
    """
    source = volume.get("persistentVolumeClaim") or {}
    name = source.get("claimName") or f"{context.pod['metadata']['name']}-{volume['name']}"
    claim = await context.read("persistentvolumeclaims", name, context.pod["metadata"]["namespace"])
    if (claim.get("status") or {}).get("phase") != "Bound" or not claim["spec"].get("volumeName"):
        raise VolumeError(f'PVC is not bound: "{context.pod["metadata"]["namespace"]}/{name}"')
    persistent = (await context.read("persistentvolumes", claim["spec"]["volumeName"], None))["spec"]
    read_only = bool(source.get("readOnly"))
    if persistent.get("hostPath"):
        path = Path(persistent["hostPath"]["path"])
        check(path, persistent["hostPath"].get("type") or "DirectoryOrCreate")
    elif persistent.get("local"):
        path = Path(persistent["local"]["path"])
        if not path.exists():
            title = f'MountVolume.NewMounter initialization failed for volume "{claim["spec"]["volumeName"]}"'
            raise VolumeError(f'{title} : path "{path}" does not exist')
        ownership.set_group(path, context.group, policy=_policy(context.pod))
    else:
        raise VolumeError(f'no volume plugin matched for volume "{claim["spec"]["volumeName"]}"')
    return Mounted(str(path), read_only=read_only, device=persistent.get("volumeMode") == "Block")


def _policy(pod: Obj) -> str | None:
    value = (pod["spec"].get("securityContext") or {}).get("fsGroupChangePolicy")
    return str(value) if value else None
