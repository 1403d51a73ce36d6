"""PortForward: TCP connections to localhost inside a pod's network namespace.

A socket belongs to the namespace in which it was made, so it is made in a thread that has entered it, and used here.
"""

import asyncio
import contextlib
import socket

from cri import errors
from cri.parts import Parts
from cri.store import READY
from cri.streaming.channels import Channel
from cri.streaming.server import Forwarding
from linux import netns
from protocols.cri import api_pb2

_PIECE = 1 << 15
_TARGETS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def port_forward(parts: Parts, request: api_pb2.PortForwardRequest) -> api_pb2.PortForwardResponse:
    """Answer PortForward with the URL of a stream."""
    sandbox = parts.store.sandboxes.get(request.pod_sandbox_id)
    if sandbox.state != READY:
        raise errors.FailedPrecondition(f"pod sandbox {sandbox.id} is not running")
    path = sandbox.network_namespace

    async def run(port: int, data: Channel, error: Channel) -> None:
        try:
            connection = await _connect(parts, path, port)
        except OSError as failure:
            words = (
                f"failed to connect to localhost:{port} inside namespace {sandbox.id}: {failure.strerror or failure}"
            )
            await error.write(words.encode())
            return
        with connection:
            await _pump(connection, data)

    return api_pb2.PortForwardResponse(url=parts.streams.url(Forwarding(run, tuple(request.port))))


async def _connect(parts: Parts, path: str, port: int) -> socket.socket:
    failure: OSError | None = None
    for family, address in _TARGETS:
        connection = await parts.blocking(_socket, path, family)
        try:
            await asyncio.get_running_loop().sock_connect(connection, (address, port))
        except OSError as error:
            connection.close()
            failure = failure or error
        else:
            return connection
    raise failure or OSError(f"no address to connect to for port {port}")


def _socket(path: str, family: socket.AddressFamily) -> socket.socket:
    def make() -> socket.socket:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    return netns.run_in(path, make) if path else make()


async def _pump(connection: socket.socket, data: Channel) -> None:
    """Both directions until both have ended; one may end long before the other."""
    loop = asyncio.get_running_loop()

    async def upwards() -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await data.read():
                await loop.sock_sendall(connection, piece)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)

    async def downwards() -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await loop.sock_recv(connection, _PIECE):
                await data.write(piece)
        await data.finish()

    async with asyncio.TaskGroup() as group:
        sending = group.create_task(upwards())
        group.create_task(downwards())
        await asyncio.wait({sending})
