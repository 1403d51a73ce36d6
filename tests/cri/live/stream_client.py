"""The client's side of exec, attach and port-forward over SPDY/3.1, as client-go speaks it."""

from __future__ import annotations

import asyncio
import urllib.parse
from collections import defaultdict
from typing import Any

import aiohttp

from protocols import spdy


class Tunnel:
    """Reader and writer of a connection inside a WebSocket's messages."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.unsent: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.unsent.append(data)

    async def read(self, _size: int) -> bytes:
        while self.unsent:
            await self.socket.send_bytes(self.unsent.pop(0))
        message = await self.socket.receive()
        return message.data if message.type == aiohttp.WSMsgType.BINARY else b""


class SpdyClient:
    """One upgraded connection."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self.reader, self.writer = reader, writer
        self.codec = spdy.Codec()
        self.names: dict[int, str] = {}
        self.data: dict[str, bytearray] = defaultdict(bytearray)
        self.finished: set[str] = set()
        self.over = False
        self._next = 1

    @classmethod
    async def open(cls, url: str, protocol: str) -> SpdyClient:
        parts = urllib.parse.urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(
            f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            f"X-Stream-Protocol-Version: {protocol}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split()[1])
        if status != 101:
            body = await reader.read()
            writer.close()
            raise ConnectionError(status, body.decode())
        return cls(reader, writer)

    def stream(self, name: str, **headers: str) -> int:
        stream = self._next
        self._next += 2
        self.names[stream] = name
        kind = headers.pop("streamtype", name)
        self.writer.write(self.codec.encode(spdy.SynStream(stream, {"streamtype": kind, **headers})))
        return stream

    def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        self.writer.write(self.codec.encode(spdy.Data(stream, data, fin)))

    async def receive(self, enough: object, seconds: float = 10) -> None:
        """Read until a condition holds or the server has gone."""
        async with asyncio.timeout(seconds):
            while not enough(self):  # type: ignore[operator]
                data = await self.reader.read(65536)
                if not data:
                    self.over = True
                    return
                for frame in self.codec.feed(data):
                    match frame:
                        case spdy.Data(stream, piece, fin):
                            self.data[self.names[stream]] += piece
                            if fin:
                                self.finished.add(self.names[stream])
                        case spdy.GoAway():
                            self.over = True
                        case _:
                            pass

    async def run(self, *names: str, stdin: bytes = b"", resize: bytes = b"") -> dict[str, bytes]:
        """A whole session: open the streams, send the input, read to the end."""
        streams = {name: self.stream(name) for name in ("error", *names)}
        if resize:
            self.send(streams["resize"], resize)
        if "stdin" in streams:
            self.send(streams["stdin"], stdin, fin=True)
        await self.receive(lambda c: c.over)
        self.writer.close()
        return {name: bytes(self.data[name]) for name in streams}
