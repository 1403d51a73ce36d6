"""A WebSocket connection with Kubernetes' channel protocols: channels over a socket."""

from cri.streaming.channels import Channel
from cri.streaming.spdy_connection import Sink, Source
from protocols import websocket_channels as ws

_READ = 1 << 16


class WebSocketConnection:
    """The server's side of one connection; all channels exist from the start."""

    def __init__(
        self,
        reader: Source,
        writer: Sink,
        numbers: dict[str, int],
        *,
        half_close: bool,
    ) -> None:
        """Make the channels named.

        Args:
            reader: Of the client.
            writer: To the client.
            numbers: The channels by name.
            half_close: Whether the client may end one of its channels, as version 5 lets it; else the end of our side
                of a channel is the end of both.
        """
        self._reader = reader
        self._writer = writer
        self._half_close = half_close
        self._decoder = ws.Decoder(masked=True)
        self.channels = {name: self._channel(name, number) for name, number in numbers.items()}
        self._by_number = {number: self.channels[name] for name, number in numbers.items()}

    def _channel(self, name: str, number: int) -> Channel:
        prefix = bytes([number])

        async def send(data: bytes) -> None:
            await self._write(ws.frame(ws.BINARY, prefix + data))

        async def finish() -> None:
            # Only clients half-close in version 5; its clients complain of an unknown channel otherwise.
            if not self._half_close:
                channel.end()

        channel = Channel(name, send, finish)
        return channel

    async def open(self) -> None:
        """Say hello on every output channel: clients of version 4 wait for an empty message."""
        for name in ("stdout", "stderr", "error"):
            if name in self.channels:
                await self.channels[name].write(b"")

    async def run(self) -> None:
        """Serve until the client goes away.

        Raises:
            WebSocketError: the client broke the protocol.
        """
        try:
            while data := await self._reader.read(_READ):
                for message in self._decoder.feed(data):
                    if not await self._handle(message):
                        return
        finally:
            for channel in self.channels.values():
                channel.end()

    async def _handle(self, message: ws.Message) -> bool:
        if message.opcode == ws.CLOSE:
            return False
        if message.opcode == ws.PING:
            await self._write(ws.frame(ws.PONG, message.data))
        elif message.opcode == ws.BINARY and message.data:
            number = message.data[0]
            if number == ws.CLOSE_CHANNEL:
                if not self._half_close or len(message.data) != 2:
                    raise ws.WebSocketError("a close message in a protocol that has none")
                closed = self._by_number.get(message.data[1])
                if closed is not None:
                    closed.end()
            elif (channel := self._by_number.get(number)) is not None:
                await channel.feed(message.data[1:])
        return True

    async def go_away(self) -> None:
        """Close in order."""
        await self._write(ws.close_frame(ws.NORMAL_CLOSURE))

    async def _write(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise ConnectionResetError("the client has gone")
        self._writer.write(data)
        await self._writer.drain()
