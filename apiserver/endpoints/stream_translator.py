"""Port-forward over WebSocket: the messages carry a SPDY/3.1 connection, which is what kubelets speak (KEP-4006)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
import struct
from collections.abc import Mapping

from aiohttp import web

from apimachinery.errors import BadRequest
from component.upgrade_proxy import ByteStream, UpgradedResponse, accept_upgrade, dial_upgrade, pump

TUNNEL = "SPDY/3.1+portforward.k8s.io"
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_MAX_MESSAGE = 16 * 1024 * 1024


def encode_frame(opcode: int, payload: bytes) -> bytes:
    """Return a WebSocket frame as a server sends it (unmasked, RFC 6455 section 5.2)."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", 0x80 | opcode, length)
    elif length < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 126, length)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 127, length)
    return head + payload


class FrameReader:
    """Cuts a byte stream into frames. Pure."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take bytes and return the (opcode, payload) frames now complete; ValueError for oversized ones."""
        self._buffer += data
        found = []
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def _next(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        opcode, masked, length, at = buffer[0] & 0x0F, buffer[1] & 0x80, buffer[1] & 0x7F, 2
        if length >= 126:
            width = 2 if length == 126 else 8
            if len(buffer) < at + width:
                return None
            length = int.from_bytes(buffer[at : at + width], "big")
            at += width
        if length > _MAX_MESSAGE:
            raise ValueError("WebSocket frame too large")
        mask = bytes(buffer[at : at + 4]) if masked else b""
        at += len(mask)
        if len(buffer) < at + length:
            return None
        payload = bytes(buffer[at : at + length])
        del buffer[: at + length]
        if mask and payload:
            size = len(payload)
            pattern = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
            payload = (int.from_bytes(payload, "big") ^ pattern).to_bytes(size, "big")
        return opcode, payload


class TunnelStream(ByteStream):
    """The inside of the WebSocket as a byte stream."""

    def __init__(self, outer: ByteStream) -> None:
        self._outer = outer
        self._frames = FrameReader()
        self._ready: list[bytes] = []

    async def read(self) -> bytes:
        """The next bytes of the tunnelled connection; empty at the end."""
        while not self._ready:
            data = await self._outer.read()
            if not data:
                return b""
            try:
                frames = self._frames.feed(data)
            except ValueError:
                return b""
            for opcode, payload in frames:
                if opcode == _CLOSE:
                    return b""
                if opcode == _PING:
                    await self._outer.write(encode_frame(_PONG, payload))
                elif opcode in (_CONTINUATION, _TEXT, _BINARY) and payload:
                    self._ready.append(payload)
        return self._ready.pop(0)

    async def write(self, data: bytes) -> None:
        """Send bytes into the tunnel."""
        await self._outer.write(encode_frame(_BINARY, data))

    def close(self) -> None:
        """End the connection."""
        asyncio.get_running_loop().call_soon(self._outer.close)


async def forward_tunnel(
    request: web.BaseRequest, url: str, headers: Mapping[str, str], tls: ssl.SSLContext
) -> web.StreamResponse:
    """Unwrap the client's tunnel and connect it to the kubelet's SPDY."""
    key = request.headers.get("Sec-WebSocket-Key", "")
    if not key:
        raise BadRequest("Sec-WebSocket-Key is missing")
    wanted = {
        key: value
        for key, value in headers.items()
        if not key.lower().startswith("sec-websocket") and key.lower() not in ("upgrade", "connection")
    }
    wanted |= {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "portforward.k8s.io"}
    answer = await dial_upgrade("POST", url, wanted, tls)
    if answer.stream is None:
        kind = {name.lower(): value for name, value in answer.headers.items()}.get("content-type", "text/plain")
        return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": kind})
    accept = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()  # noqa: S324 - RFC 6455
    try:
        outer = await accept_upgrade(
            request,
            {
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Accept": accept,
                "Sec-WebSocket-Protocol": TUNNEL,
            },
        )
    except ConnectionError:
        answer.stream.close()
        raise
    await pump(TunnelStream(outer), answer.stream)
    return UpgradedResponse.made()
