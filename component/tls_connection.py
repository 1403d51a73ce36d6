"""A server's TLS connection: OpenSSL between a plain transport and the protocol above, and nothing else.

Event loops bring TLS of their own, made for all cases; it keeps a quarter of a megabyte of read buffer for each
connection, which the heap then hands from one to the next, until every connection costs that much. A server with a
thousand quiet watches can't afford that, and a small request costs half when the data goes straight through.

Use `TLSConnection` as the protocol factory of a listener without TLS:

    await loop.create_server(partial(TLSConnection, context, make_protocol), host, port)
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable
from typing import Any

# One record each: what OpenSSL has buffered once, it keeps.
_RECORD = 16384
_HANDSHAKE_SECONDS = 15.0
_NO_BUFFER = ssl.MemoryBIO()


class TLSConnection(asyncio.Transport, asyncio.Protocol):
    """The protocol of a plain transport, and the transport of the protocol above.

    Args:
        context: for servers.
        make_protocol: makes the protocol above, once the handshake is done.
        patience: how many seconds the handshake may take.
    """

    __slots__ = (
        "_above",
        "_closing",
        "_context",
        "_incoming",
        "_make",
        "_object",
        "_outgoing",
        "_patience",
        "_raw",
        "_timer",
    )

    def __init__(
        self, context: ssl.SSLContext, make_protocol: Callable[[], Any], patience: float = _HANDSHAKE_SECONDS
    ) -> None:
        self._context = context
        self._make: Callable[[], Any] | None = make_protocol
        self._above: Any = None
        self._closing = False
        self._patience = patience
        self._raw: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object: Any = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    # -- the plain transport's side --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client's handshake, but not for ever."""
        self._raw = transport
        self._timer = asyncio.get_running_loop().call_later(self._patience, self.abort)

    def data_received(self, data: bytes) -> None:
        """Decrypt, and pass on."""
        self._incoming.write(data)
        if self._above is None and not self._shake_hands():
            return
        tls = self._object
        try:
            while tls is not None:
                plain = tls.read(_RECORD)
                if not plain:
                    self._ended_by_client()
                    return
                self._above.data_received(plain)
                tls = self._object  # gone, when that has ended the connection
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.abort()
            return
        self._flush()  # an answer of TLS itself, such as to a change of keys

    def _shake_hands(self) -> bool:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError:
            self._flush()  # the alert that tells why
            self._raw.close()
            return False
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._make is None or self._closing:
            return False
        self._above, self._make = self._make(), None
        if self._above is None:
            self.close()
            return False
        self._above.connection_made(self)
        return True

    def _flush(self) -> None:
        if self._outgoing.pending and not self._raw.is_closing():
            self._raw.write(self._outgoing.read())

    def _ended_by_client(self) -> None:
        if self._above is not None and not self._closing:
            self._above.eof_received()
        self.close()

    def eof_received(self) -> bool | None:
        """End: a client that says no more gets no more."""
        if self._above is not None and not self._closing:
            self._above.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the protocol above, and let go of everything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._closing = True
        above, self._above, self._object, self._make = self._above, None, None, None
        self._incoming = self._outgoing = _NO_BUFFER
        if above is not None:
            above.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on that the client is slow."""
        if self._above is not None:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client has caught up."""
        if self._above is not None:
            self._above.resume_writing()

    # -- the side of the protocol above ----------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        """Encrypt and send."""
        if self._object is None or self._closing:
            return
        try:
            if len(data) > _RECORD:
                self._raw.writelines(self._encrypted(memoryview(data)))
            elif data:
                self._object.write(data)
                self._raw.write(self._outgoing.read())
        except ssl.SSLError:  # the client has ended the session
            self.abort()

    def _encrypted(self, data: memoryview) -> list[bytes]:
        pieces = []
        for start in range(0, len(data), _RECORD):
            self._object.write(data[start : start + _RECORD])
            pieces.append(self._outgoing.read())
        return pieces

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Encrypt and send as one."""
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """Send what waits, say goodbye, and close."""
        if self._closing:
            return
        self._closing = True
        if self._object is not None and self._above is not None:
            with contextlib.suppress(ssl.SSLError):  # the client's goodbye is not waited for
                self._object.unwrap()
            self._flush()
        self._raw.close()

    def abort(self) -> None:
        """Close without sending what waits."""
        self._closing = True
        self._raw.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closing or self._raw.is_closing()

    def get_protocol(self) -> Any:
        """The protocol above."""
        return self._above

    def set_protocol(self, protocol: Any) -> None:
        """Put another protocol above."""
        self._above = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As any transport; `ssl_object` has the peer's certificate."""
        if name == "ssl_object":
            return self._object if self._object is not None else default
        if name == "sslcontext":
            return self._context
        return self._raw.get_extra_info(name, default)

    def is_reading(self) -> bool:
        """Whether what arrives is taken."""
        return bool(self._raw.is_reading())

    def pause_reading(self) -> None:
        """Take nothing for a while."""
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Take what arrives again."""
        self._raw.resume_reading()

    def get_write_buffer_size(self) -> int:
        """How many encrypted bytes wait."""
        return int(self._raw.get_write_buffer_size())

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """When the protocol above is told to pause and to go on."""
        low, high = self._raw.get_write_buffer_limits()
        return int(low), int(high)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when the protocol above is told to pause."""
        self._raw.set_write_buffer_limits(high, low)

    def can_write_eof(self) -> bool:
        """No: TLS ends in both directions."""
        return False

    def write_eof(self) -> None:
        """Not possible."""
        raise OSError("a TLS connection can't be closed in one direction")
