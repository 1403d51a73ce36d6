"""WebSocket frames (RFC 6455) and Kubernetes' channel protocols over them. Pure.

``v4.channel.k8s.io`` and ``v5.channel.k8s.io``: each binary message begins with the number of its channel. Version 5
adds channel 255, by which the client (never the server) names a channel that it has finished with (half-close).
"""

import base64
import dataclasses
import hashlib
import struct

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
SUPPORTED = (V5, V4)
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE_CHANNEL = 0, 1, 2, 3, 4, 255
CHANNELS = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
NORMAL_CLOSURE, PROTOCOL_ERROR = 1000, 1002
MAX_MESSAGE = 1 << 20
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WebSocketError(ValueError):
    """The peer broke the protocol."""


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """A whole message (fragments joined), or a control frame."""

    opcode: int
    data: bytes


def accept_key(key: str) -> str:
    """``Sec-WebSocket-Accept`` for a client's ``Sec-WebSocket-Key``."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def choose_protocol(offered: str, known: tuple[str, ...] = SUPPORTED) -> str:
    """The first of the client's subprotocols that we speak; empty if there is none."""
    return next((name for name in (part.strip() for part in offered.split(",")) if name in known), "")


def frame(opcode: int, data: bytes, *, mask: bytes = b"") -> bytes:
    """One unfragmented frame; clients mask, servers don't."""
    masked = 0x80 if mask else 0
    size = len(data)
    if size < 126:
        head = struct.pack(">BB", 0x80 | opcode, masked | size)
    elif size < 1 << 16:
        head = struct.pack(">BBH", 0x80 | opcode, masked | 126, size)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, masked | 127, size)
    return head + mask + (unmask(data, mask) if mask else data)


def close_frame(code: int, reason: str = "") -> bytes:
    """The closing frame."""
    return frame(CLOSE, struct.pack(">H", code) + reason.encode()[:120])


def unmask(data: bytes, mask: bytes) -> bytes:
    """Apply a mask; big integers do it far faster than a loop over bytes."""
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


class Decoder:
    """Messages out of a peer's bytes."""

    def __init__(self, *, masked: bool = True) -> None:
        """``masked``: whether the peer has to mask (clients) or must not (servers)."""
        self._masked = masked
        self._buffer = bytearray()
        self._opcode = 0
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes; returns the messages they complete.

        Raises:
            WebSocketError: they break RFC 6455.
        """
        self._buffer += data
        messages = []
        while (taken := self._frame()) is not None:
            opcode, final, payload = taken
            if opcode >= CLOSE:
                messages.append(Message(opcode, payload))
                continue
            if opcode != CONTINUATION:
                self._opcode = opcode
            self._parts.append(payload)
            if sum(map(len, self._parts)) > MAX_MESSAGE:
                raise WebSocketError("a message is too long")
            if final:
                messages.append(Message(self._opcode, b"".join(self._parts)))
                self._parts = []
        return messages

    def _frame(self) -> tuple[int, bool, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        size, position = second & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(buffer) < 2 + width:
                return None
            size = int.from_bytes(buffer[2 : 2 + width], "big")
            position += width
        if first & 0x70 or bool(second & 0x80) != self._masked:
            raise WebSocketError("reserved bits are set, or the mask is not as it has to be")
        if size > MAX_MESSAGE:
            raise WebSocketError("a frame is too long")
        mask = b""
        if self._masked:
            mask = bytes(buffer[position : position + 4])
            position += 4
        if len(buffer) < position + size:
            return None
        payload = bytes(buffer[position : position + size])
        del buffer[: position + size]
        return first & 0x0F, bool(first & 0x80), unmask(payload, mask) if mask else payload
