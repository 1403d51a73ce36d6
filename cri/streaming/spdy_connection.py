"""A SPDY/3.1 connection: frames of ``protocols.spdy`` over a socket, streams as channels."""

from collections.abc import Callable
from typing import Protocol

from cri.streaming.channels import Channel
from protocols import spdy

_READ = 1 << 16
_MAX_STREAMS = 1000


class Source(Protocol):
    """Where a connection's bytes come from."""

    async def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; ``b""`` at the end."""
        ...


class Sink(Protocol):
    """Where they go."""

    def write(self, data: bytes, /) -> None:
        """Send."""

    async def drain(self) -> None:
        """Wait while the other side does not keep up."""

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        ...


class SpdyConnection:
    """The server's side of one connection."""

    def __init__(
        self,
        reader: Source,
        writer: Sink,
        accept: Callable[[int, Channel], bool],
    ) -> None:
        """``accept`` is asked about each new stream."""
        self._reader = reader
        self._writer = writer
        self._accept = accept
        self._codec = spdy.Codec()
        self._channels: dict[int, Channel] = {}

    async def run(self) -> None:
        """Serve until the client goes away.

        Raises:
            SpdyError: the client broke the protocol.
        """
        try:
            while data := await self._reader.read(_READ):
                for frame in self._codec.feed(data):
                    await self._handle(frame)
        finally:
            for channel in self._channels.values():
                channel.end()

    async def _handle(self, frame: spdy.Frame) -> None:
        match frame:
            case spdy.Data(stream, data, fin):
                channel = self._channels.get(stream)
                if channel is not None:
                    await channel.feed(data)
                    if fin:
                        channel.end()
            case spdy.SynStream(stream, headers, fin):
                await self._open(stream, headers, fin=fin)
            case spdy.RstStream(stream):
                channel = self._channels.pop(stream, None)
                if channel is not None:
                    channel.end()
            case spdy.Ping(number):
                await self._write(spdy.Ping(number))
            case _:
                pass

    async def _open(self, stream: int, headers: dict[str, str], *, fin: bool) -> None:
        async def send(data: bytes) -> None:
            for start in range(0, len(data), spdy.DATA_PIECE):
                await self._write(spdy.Data(stream, data[start : start + spdy.DATA_PIECE]))

        async def finish() -> None:
            await self._write(spdy.Data(stream, b"", fin=True))

        channel = Channel(headers.get("streamtype", ""), send, finish, headers)
        if len(self._channels) >= _MAX_STREAMS or not self._accept(stream, channel):
            await self._write(spdy.RstStream(stream, spdy.REFUSED_STREAM))
            return
        self._channels[stream] = channel
        await self._write(spdy.SynReply(stream, {}))
        if fin:
            channel.end()

    def forget(self, stream: int) -> None:
        """Drop a stream that both sides have finished with."""
        self._channels.pop(stream, None)

    async def reset(self, stream: int) -> None:
        """End a stream abnormally."""
        channel = self._channels.pop(stream, None)
        if channel is not None:
            channel.end()
            await self._write(spdy.RstStream(stream, spdy.CANCEL))

    async def go_away(self) -> None:
        """Tell the client that the session is over."""
        await self._write(spdy.GoAway(max(self._channels, default=0)))

    async def _write(self, frame: spdy.Frame) -> None:
        if self._writer.is_closing():
            raise ConnectionResetError("the client has gone")
        self._writer.write(self._codec.encode(frame))
        await self._writer.drain()
