"""Upgraded HTTP connections (SPDY, WebSocket) as raw bytes: accepted, dialled, and pumped from one to the other.

The API server passes exec, attach and port-forward on to the kubelet this way, the kubelet to the runtime: neither
needs to understand what flows. Works inside aiohttp's server; the dialling side is plain asyncio streams.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from aiohttp import web

_HOP_BY_HOP = {"keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "host"}
_DIAL_SECONDS = 10.0
_MOST_HEADER = 65536
_MOST_BODY = 2**20
_HIGH_WATER = 2**18
_SWITCHING = 101


class ByteStream:
    """Bytes in both directions, over an upgraded connection."""

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        raise NotImplementedError

    async def write(self, data: bytes) -> None:
        """Send, waiting while the other side is slow.

        Raises:
            ConnectionError: where the other side has gone.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the connection."""
        raise NotImplementedError


class DialledStream(ByteStream):
    """A connection that we opened."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        try:
            return await self._reader.read(65536)
        except (ConnectionError, ssl.SSLError):
            return b""

    async def write(self, data: bytes) -> None:
        """Send, waiting while the other side is slow."""
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        """End the connection."""
        self._writer.close()


class _Parser:
    """Takes the place of aiohttp's request parser once the connection is upgraded."""

    def __init__(self, stream: "AcceptedStream") -> None:
        self._stream = stream

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._stream.received(bytes(data))
        return False, b""

    def feed_eof(self) -> None:
        self._stream.received(b"")

    def set_exception(self, *_: Any) -> None:
        self._stream.received(b"")


class AcceptedStream(ByteStream):
    """A connection that a client of ours upgraded."""

    def __init__(self, request: "web.BaseRequest") -> None:
        self._request = request
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        self._transport = transport
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._waiting = 0
        self._ended = False

    def received(self, data: bytes) -> None:
        """Called with what arrives; empty at the end."""
        if self._ended:
            return
        self._ended = not data
        self._waiting += len(data)
        self._chunks.put_nowait(data)
        if self._waiting > _HIGH_WATER:
            with contextlib.suppress(RuntimeError, AttributeError):
                self._transport.pause_reading()

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        if self._ended and self._chunks.empty():
            return b""
        data = await self._chunks.get()
        self._waiting -= len(data)
        if self._waiting <= _HIGH_WATER:
            with contextlib.suppress(RuntimeError, AttributeError):
                self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send, waiting while the other side is slow."""
        if self._transport.is_closing():
            raise ConnectionResetError("the client has gone")
        self._transport.write(data)
        await self._request.protocol._drain_helper()  # noqa: SLF001 - aiohttp has no public drain for hijacked connections

    def close(self) -> None:
        """End the connection."""
        self._transport.close()


def is_upgrade(headers: Mapping[str, str]) -> bool:
    """Whether a request asks for an upgrade."""
    return "upgrade" in headers.get("Connection", "").lower() and bool(headers.get("Upgrade"))


async def accept_upgrade(request: "web.BaseRequest", headers: Mapping[str, str]) -> AcceptedStream:
    """Answer 101 with these headers, and take the connection over.

    Raises:
        ConnectionResetError: where the client has gone.
    """
    stream = AcceptedStream(request)
    lines = ["HTTP/1.1 101 Switching Protocols", *(f"{key}: {value}" for key, value in headers.items()), "", ""]
    protocol = request.protocol
    # The client may speak before our answer; what aiohttp holds back already goes to the new parser.
    protocol.set_parser(_Parser(stream))  # type: ignore[arg-type]  # its three methods are what is called
    protocol.keep_alive(False)
    await stream.write("\r\n".join(lines).encode())
    return stream


@dataclass(slots=True)
class DialAnswer:
    """What a dialled server said.

    Attributes:
        stream: The upgraded connection, where the status is 101.
        body: Its refusal, otherwise.
    """

    status: int
    headers: dict[str, str]
    stream: DialledStream | None = None
    body: bytes = b""


async def dial_upgrade(
    method: str, url: str, headers: Mapping[str, str], tls: ssl.SSLContext | None = None, server_name: str | None = None
) -> DialAnswer:
    """Ask a server for an upgrade.

    Args:
        method: As the client's.
        url: `http://…` or `https://…`, with its query.
        headers: The client's; hop-by-hop ones are left out.
        tls: For https.
        server_name: Whose certificate it has to be, where that is not the URL's host.

    Raises:
        OSError: where it can't be reached or breaks off.
        TimeoutError: where it does not answer.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    async with asyncio.timeout(_DIAL_SECONDS):
        reader, writer = await asyncio.open_connection(
            parts.hostname,
            port,
            ssl=tls if parts.scheme == "https" else None,
            server_hostname=server_name if parts.scheme == "https" else None,
            limit=_MOST_HEADER,
        )
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {target} HTTP/1.1", f"Host: {server_name or parts.netloc}"]
        lines += [f"{key}: {value}" for key, value in headers.items() if key.lower() not in _HOP_BY_HOP]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await writer.drain()
        async with asyncio.timeout(_DIAL_SECONDS * 3):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1])
        answered = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
        if status == _SWITCHING:
            return DialAnswer(status, answered, DialledStream(reader, writer))
        body = await _body(reader, {key.lower(): value for key, value in answered.items()})
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
        writer.close()
        raise ConnectionError(f"{parts.netloc} gave no proper answer") from error
    except BaseException:
        writer.close()
        raise
    writer.close()
    return DialAnswer(status, answered, None, body)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    async with asyncio.timeout(_DIAL_SECONDS):
        if "chunked" in headers.get("transfer-encoding", ""):
            body = b""
            while len(body) < _MOST_BODY and (size := int((await reader.readline()).split(b";")[0], 16)):
                body += await reader.readexactly(size)
                await reader.readline()
            return body
        return await reader.readexactly(min(int(headers.get("content-length", "0")), _MOST_BODY))


async def pump(left: ByteStream, right: ByteStream) -> None:
    """Carry bytes both ways until either side ends; both are closed then."""

    async def carry(source: ByteStream, target: ByteStream) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await source.read():
                await target.write(data)

    loop = asyncio.get_running_loop()
    both = [loop.create_task(carry(left, right), name="pump"), loop.create_task(carry(right, left), name="pump back")]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        left.close()
        right.close()


async def proxy_upgrade(
    request: "web.BaseRequest",
    url: str,
    headers: Mapping[str, str],
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
) -> "web.StreamResponse":
    """Pass a client's upgrade on to a server, whole: a refusal is answered as it came.

    `server_name` is whose certificate it has to be, where that is not the URL's host.

    Raises:
        OSError, TimeoutError: where the server can't be reached.
    """
    from aiohttp import web

    answer = await dial_upgrade(request.method, url, headers, tls, server_name)
    if answer.stream is None:
        kind = {key.lower(): value for key, value in answer.headers.items()}.get("content-type", "text/plain")
        return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": kind})
    try:
        accepted = await accept_upgrade(request, answer.headers)
    except ConnectionError:
        answer.stream.close()
        raise
    await pump(accepted, answer.stream)
    return UpgradedResponse.made()


class UpgradedResponse:
    """What a handler returns after it has upgraded the connection: nothing more is written."""

    @staticmethod
    def made() -> "web.StreamResponse":
        """A response whose head and body were dealt with already."""
        from aiohttp import web

        class _Silent(web.StreamResponse):
            async def prepare(self, request: web.BaseRequest) -> None:  # noqa: ARG002
                return None

            async def write_eof(self, data: bytes = b"") -> None:  # noqa: ARG002
                return None

        return _Silent(status=_SWITCHING)
