"""SPDY/3.1 frames, as Kubernetes' exec, attach and port-forward streams use them. Pure: bytes in, frames out, and back.

Only framing and header compression: streams and their meaning belong to whoever owns the socket. Kubernetes' peers
neither send nor expect flow control, so window updates are read and ignored. Hostile input raises ``SpdyError``.
"""

import dataclasses
import struct
import zlib
from collections.abc import Iterable
from typing import ClassVar

VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FLAG_FIN = 0x01
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL = 1, 2, 3, 5
MAX_FRAME = 1 << 20
MAX_HEADERS = 1 << 18
DATA_PIECE = 1 << 15

# The dictionary of the specification (section 2.6.10.1): length-prefixed names, then a run of common values.
_NAMES = [
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
]
_MORE_NAMES = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_VALUES = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug"
    " Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch"
    "charset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(struct.pack(">I", len(name)) + name.encode() for name in (*_NAMES, *_MORE_NAMES)) + _VALUES.encode()
)


class SpdyError(ValueError):
    """The peer broke the protocol; the connection is of no more use."""


@dataclasses.dataclass(frozen=True, slots=True)
class Data:
    """A piece of a stream."""

    stream: int
    data: bytes
    fin: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class SynStream:
    """A new stream."""

    stream: int
    headers: dict[str, str]
    fin: bool = False
    priority: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class SynReply:
    """The peer's consent to a stream."""

    stream: int
    headers: dict[str, str]
    fin: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Headers:
    """More headers of a stream."""

    stream: int
    headers: dict[str, str]
    fin: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class RstStream:
    """The abnormal end of a stream."""

    stream: int
    status: int


@dataclasses.dataclass(frozen=True, slots=True)
class Ping:
    """Sent back as it is by who did not send it."""

    number: int


@dataclasses.dataclass(frozen=True, slots=True)
class GoAway:
    """No new streams, please."""

    last_stream: int
    status: int = 0


Frame = Data | SynStream | SynReply | Headers | RstStream | Ping | GoAway


class Codec:
    """Both directions of one connection; header compression carries state from frame to frame."""

    _with_headers: ClassVar[tuple[int, ...]] = (SYN_STREAM, SYN_REPLY, HEADERS)

    def __init__(self) -> None:
        """Start a connection."""
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zlib.Z_BEST_SPEED, zlib.DEFLATED, 15, 8, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes from the peer; returns the frames they complete.

        Raises:
            SpdyError: they are not SPDY/3.
        """
        self._buffer += data
        frames: list[Frame] = []
        position = 0
        while len(self._buffer) - position >= 8:
            first, second = struct.unpack_from(">II", self._buffer, position)
            flags, length = second >> 24, second & 0xFFFFFF
            if length > MAX_FRAME:
                raise SpdyError(f"a frame of {length} bytes is too long")
            version = (first >> 16) & 0x7FFF
            if first & 0x80000000 and version != VERSION:
                # Told by the header alone: the peer may never send the body that it announces.
                raise SpdyError(f"SPDY version {version} is not supported")
            if len(self._buffer) - position - 8 < length:
                break
            body = bytes(self._buffer[position + 8 : position + 8 + length])
            position += 8 + length
            if first & 0x80000000:
                frame = self._control(first & 0xFFFF, flags, body)
                if frame is not None:
                    frames.append(frame)
            else:
                frames.append(Data(first, body, bool(flags & FLAG_FIN)))
        del self._buffer[:position]
        return frames

    def _control(self, kind: int, flags: int, body: bytes) -> Frame | None:
        fin = bool(flags & FLAG_FIN)
        try:
            if kind == SYN_STREAM:
                stream, _, priority = struct.unpack_from(">IIB", body)
                return SynStream(stream & 0x7FFFFFFF, self._read_headers(body[10:]), fin, priority >> 5)
            if kind in (SYN_REPLY, HEADERS):
                (stream,) = struct.unpack_from(">I", body)
                make = SynReply if kind == SYN_REPLY else Headers
                return make(stream & 0x7FFFFFFF, self._read_headers(body[4:]), fin)
            if kind == RST_STREAM:
                return RstStream(*struct.unpack(">II", body))
            if kind == PING:
                return Ping(*struct.unpack(">I", body))
            if kind == GOAWAY:
                return GoAway(*struct.unpack(">II", body))
        except struct.error as error:
            raise SpdyError(f"a control frame of type {kind} is malformed") from error
        return None  # SETTINGS, WINDOW_UPDATE and what later versions may add

    def _read_headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block, MAX_HEADERS)
        except zlib.error as error:
            raise SpdyError(f"a header block does not decompress: {error}") from error
        if self._inflate.unconsumed_tail:
            raise SpdyError("a header block is too long")
        return parse_headers(plain)

    def encode(self, frame: Frame) -> bytes:
        """The bytes of a frame."""
        match frame:
            case Data():
                return struct.pack(">II", frame.stream, (FLAG_FIN * frame.fin) << 24 | len(frame.data)) + frame.data
            case SynStream():
                body = struct.pack(">IIBB", frame.stream, 0, frame.priority << 5, 0) + self._headers(frame.headers)
                return _control(SYN_STREAM, body, fin=frame.fin)
            case SynReply():
                return _control(
                    SYN_REPLY, struct.pack(">I", frame.stream) + self._headers(frame.headers), fin=frame.fin
                )
            case Headers():
                return _control(HEADERS, struct.pack(">I", frame.stream) + self._headers(frame.headers), fin=frame.fin)
            case RstStream():
                return _control(RST_STREAM, struct.pack(">II", frame.stream, frame.status))
            case Ping():
                return _control(PING, struct.pack(">I", frame.number))
            case GoAway():
                return _control(GOAWAY, struct.pack(">II", frame.last_stream, frame.status))

    def _headers(self, headers: dict[str, str]) -> bytes:
        return self._deflate.compress(plain_headers(headers.items())) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def _control(kind: int, body: bytes, *, fin: bool = False) -> bytes:
    return struct.pack(">HHI", 0x8000 | VERSION, kind, (FLAG_FIN * fin) << 24 | len(body)) + body


def plain_headers(pairs: Iterable[tuple[str, str]]) -> bytes:
    """A header block before compression."""
    encoded = [(name.lower().encode(), value.encode()) for name, value in pairs]
    result = struct.pack(">I", len(encoded))
    for name, value in encoded:
        result += struct.pack(">I", len(name)) + name + struct.pack(">I", len(value)) + value
    return result


def parse_headers(plain: bytes) -> dict[str, str]:
    """A header block after decompression; names are lower case.

    Raises:
        SpdyError: lengths that do not fit.
    """
    headers: dict[str, str] = {}
    try:
        (count,) = struct.unpack_from(">I", plain)
        position = 4
        for _ in range(count):
            name, position = _text(plain, position)
            value, position = _text(plain, position)
            headers[name.lower()] = value
    except struct.error as error:
        raise SpdyError("a header block is cut off") from error
    return headers


def _text(plain: bytes, position: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">I", plain, position)
    end = position + 4 + length
    if end > len(plain):
        raise SpdyError("a header block is cut off")
    return plain[position + 4 : end].decode("utf-8", "replace"), end
