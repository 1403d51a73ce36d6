"""A SPDY/3.1 connection inside the binary messages of a WebSocket: port-forward for clients behind proxies that know
no SPDY (KEP-4006). Both halves look like the stream reader and writer that ``SpdyConnection`` works with.
"""

from cri.streaming.spdy_connection import Sink, Source
from protocols import websocket_channels as ws

PROTOCOL = "SPDY/3.1+portforward.k8s.io"


class TunnelWriter:
    """What is written goes out as one message."""

    def __init__(self, writer: Sink) -> None:
        """Write to a client."""
        self._writer = writer

    def write(self, data: bytes) -> None:
        """Send a message."""
        self._writer.write(ws.frame(ws.BINARY, data))

    def pong(self, data: bytes) -> None:
        """Answer a ping."""
        self._writer.write(ws.frame(ws.PONG, data))

    async def drain(self) -> None:
        """Wait while the client does not keep up."""
        await self._writer.drain()

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._writer.is_closing()


class TunnelReader:
    """The contents of the messages, one after the other."""

    def __init__(self, reader: Source, writer: TunnelWriter) -> None:
        """Read from a client; pings are answered by ``writer``."""
        self._reader = reader
        self._writer = writer
        self._decoder = ws.Decoder(masked=True)
        self._inside = bytearray()
        self._ended = False

    async def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; ``b""`` at the end.

        Raises:
            WebSocketError: the client broke the protocol.
        """
        while not self._inside and not self._ended:
            data = await self._reader.read(size)
            self._ended = not data
            for message in self._decoder.feed(data):
                if message.opcode == ws.CLOSE:
                    self._ended = True
                elif message.opcode == ws.PING:
                    self._writer.pong(message.data)
                elif message.opcode in (ws.BINARY, ws.TEXT):
                    self._inside += message.data
        piece = bytes(self._inside[:size])
        del self._inside[:size]
        return piece
