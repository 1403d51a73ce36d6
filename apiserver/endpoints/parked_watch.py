"""A watch's connection without the request that opened it.

A watch that has caught up waits for hours, and aiohttp's request, its two tasks, its parser and our frames would wait
with it. So the connection is taken from aiohttp: events are written to the transport as before, and all that stays is
this object. When the watch ends, a new aiohttp handler takes the connection for the next request on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

_MAX_EARLY_BYTES = 64 * 1024
_LAST_CHUNK = b"0\r\n\r\n"


class Stream(Protocol):
    """The watch on a parked connection."""

    def expire(self) -> None:
        """End because the time is over."""

    def parting(self) -> None:
        """Write what waits and leave the cache."""

    def next_handler(self) -> Any:
        """Return aiohttp's handler for the connection's next request, or None to have it closed."""


class ParkedWatch(asyncio.Protocol):
    """Owns one connection between the moment its watch has caught up and the watch's end."""

    __slots__ = ("_at_end", "_early", "_stream", "_timer", "_transport", "ended")

    def __init__(self, transport: asyncio.Transport, stream: Stream) -> None:
        self._transport = transport
        self._stream: Stream | None = stream
        self._timer: asyncio.TimerHandle | None = None
        self._early = b""
        self._at_end: Callable[[], None] | None = None
        self.ended = False

    @classmethod
    def take_over(cls, handler: Any, stream: Stream, deadline: float) -> ParkedWatch:
        """Take a connection from aiohttp's handler.

        Args:
            handler: the aiohttp protocol that has the connection now; it ends and sees no transport any more.
            stream: the watch.
            deadline: the loop's time at which the watch ends.
        """
        loop = asyncio.get_running_loop()
        transport = handler.transport
        parked = cls(transport, stream)
        transport.set_protocol(parked)
        handler.transport = None
        loop.call_soon(handler.connection_lost, None)  # after its task, which still returns our response
        if transport.is_reading() is False:
            transport.resume_reading()
        parked._timer = loop.call_at(deadline, stream.expire)
        return parked

    def at_end(self, callback: Callable[[], None]) -> None:
        """Call something when the watch has ended."""
        before = self._at_end
        if before is None:
            self._at_end = callback
            return

        def both() -> None:
            before()
            callback()

        self._at_end = both

    def finish(self) -> None:
        """End the answer and give the connection to a new handler."""
        stream = self._leave()
        transport = self._transport
        if stream is None or transport.is_closing():
            return
        transport.write(_LAST_CHUNK)
        handler = stream.next_handler()
        if handler is None:
            transport.close()
            return
        transport.set_protocol(handler)
        handler.connection_made(transport)
        if self._early:
            handler.data_received(self._early)

    def _leave(self) -> Stream | None:
        """End, and let go of the stream: it holds us, and a circle would wait for the collector of garbage."""
        stream, self._stream = self._stream, None
        if stream is None:
            return None
        stream.parting()
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at_end, self._at_end = self._at_end, None
        if at_end is not None:
            at_end()
        return stream

    # -- the transport's side --------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Keep what a client sends before the watch has ended; its next request comes with it."""
        self._early += data
        if len(self._early) > _MAX_EARLY_BYTES:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        """End: the client is gone."""
        self._leave()
