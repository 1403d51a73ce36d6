"""Attach: the client's stdio connected to that of a container's own process, through conmon.

Nothing written before is replayed. The end of the client's input closes the container's stdin only if the container
was made with ``stdin_once``: that is conmon's decision.
"""

import asyncio
import contextlib
import socket

from cri import errors
from cri.parts import Parts
from cri.rpc.exec_sync import running
from cri.runtime import conmon
from cri.streaming.channels import Channel
from cri.streaming.exec import check_streams, resize
from cri.streaming.server import Session
from protocols import stream_session
from protocols.cri import api_pb2

_PACKET = 8192 + 1
_INPUT_PIECE = 32768
_STDOUT, _STDERR = 2, 3


def attach(parts: Parts, request: api_pb2.AttachRequest) -> api_pb2.AttachResponse:
    """Answer Attach with the URL of a stream."""
    check_streams(stdin=request.stdin, stdout=request.stdout, stderr=request.stderr, tty=request.tty)
    container_id = running(parts, request.container_id).id

    async def run(channels: dict[str, Channel]) -> bytes:
        return await _run(parts, container_id, channels)

    session = Session("attach", request.stdin, request.stdout, request.stderr, request.tty, run)
    return api_pb2.AttachResponse(url=parts.streams.url(session))


async def _run(parts: Parts, container_id: str, channels: dict[str, Channel]) -> bytes:
    container = running(parts, container_id)
    connection = await parts.blocking(conmon.connect_attach, container.directory)

    async def apply(rows: int, columns: int) -> None:
        with contextlib.suppress(OSError, errors.CRIError):  # it ends just now
            await parts.blocking(conmon.resize, container.directory, rows, columns)

    with connection:
        async with asyncio.TaskGroup() as group:
            feeding = [
                group.create_task(_feed(channels.get("stdin"), connection)),
                group.create_task(resize(channels.get("resize"), apply)),
            ]
            await _drain(connection, channels)
            for task in feeding:
                task.cancel()
    return stream_session.success()


async def _feed(source: Channel | None, connection: socket.socket) -> None:
    if source is None:
        return
    loop = asyncio.get_running_loop()
    try:
        while data := await source.read():
            for start in range(0, len(data), _INPUT_PIECE):
                await loop.sock_sendall(connection, data[start : start + _INPUT_PIECE])
        connection.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionError):
        return


async def _drain(connection: socket.socket, channels: dict[str, Channel]) -> None:
    loop = asyncio.get_running_loop()
    targets = {_STDOUT: channels.get("stdout"), _STDERR: channels.get("stderr")}
    with contextlib.suppress(ConnectionError):
        while packet := await loop.sock_recv(connection, _PACKET):
            target = targets.get(packet[0])
            if target is not None and len(packet) > 1:
                await target.write(packet[1:])
