"""ReopenContainerLog: after the kubelet has moved a log away, conmon opens a new one.

conmon truncates the file it finds, so the call passes on nothing while the log is where it was. On an error no new file
may appear, since the kubelet then moves the old one back.
"""

import asyncio
import os

from cri import errors
from cri.parts import Parts
from cri.rpc.exec_sync import running
from cri.runtime import conmon
from protocols.cri import api_pb2

_WAIT = 5.0


async def reopen_container_log(
    parts: Parts, request: api_pb2.ReopenContainerLogRequest
) -> api_pb2.ReopenContainerLogResponse:
    """Answer ReopenContainerLog."""
    container = running(parts, request.container_id)
    if not os.path.exists(container.log_path):
        await parts.blocking(conmon.reopen_log, container.directory)
        await _wait_for(container.log_path)
    return api_pb2.ReopenContainerLogResponse()


async def _wait_for(path: str) -> None:
    deadline = asyncio.get_running_loop().time() + _WAIT
    while not os.path.exists(path):
        if asyncio.get_running_loop().time() > deadline:
            raise errors.DeadlineExceeded(f"conmon did not open {path} anew")
        await asyncio.sleep(0.002)
