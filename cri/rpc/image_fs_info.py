"""ImageFsInfo: how much disk the images take."""

import os
import time

from cri.parts import Parts
from protocols.cri import api_pb2


def _info(parts: Parts) -> api_pb2.ImageFsInfoResponse:
    root = parts.images.root
    used = inodes = 0
    layers = parts.images.layers.read()
    if layers:
        used = sum(max(int(layer.get("diff-size") or 0), 0) for layer in layers)
        inodes = len(layers)
    try:
        status = os.statvfs(root)
        inodes = max(inodes, status.f_files - status.f_ffree if status.f_files else inodes)
    except OSError:
        pass
    usage = api_pb2.FilesystemUsage(
        timestamp=time.time_ns(),
        fs_id=api_pb2.FilesystemIdentifier(mountpoint=str(root / "overlay-images")),
        used_bytes=api_pb2.UInt64Value(value=used),
        inodes_used=api_pb2.UInt64Value(value=inodes),
    )
    return api_pb2.ImageFsInfoResponse(image_filesystems=[usage], container_filesystems=[usage])


async def image_fs_info(parts: Parts, _request: api_pb2.ImageFsInfoRequest) -> api_pb2.ImageFsInfoResponse:
    """Answer ImageFsInfo."""
    return await parts.blocking(_info, parts)
