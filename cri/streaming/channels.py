"""One direction-pair of bytes between a client and a session, whatever carries it.

A transport feeds what it receives and is handed what is written. Reading waits; ``b""`` is the end. A reader that does
not keep up holds back the connection instead of filling memory.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

_HIGH_WATER = 1 << 20


class Channel:
    """A named stream of a session."""

    def __init__(
        self,
        name: str,
        send: Callable[[bytes], Awaitable[None]],
        finish: Callable[[], Awaitable[None]],
        headers: dict[str, str] | None = None,
    ) -> None:
        """``send`` carries bytes to the client, ``finish`` tells it that there will be no more."""
        self.name = name
        self.headers = headers or {}
        self._send = send
        self._finish = finish
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._ended = False
        self._finished = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def feed(self, data: bytes) -> None:
        """Take bytes from the client; waits while too much is unread."""
        if data and not self._ended:
            self._pieces.append(data)
            self._held += len(data)
            self._changed.set()
            if self._held > _HIGH_WATER:
                self._room.clear()
                await self._room.wait()

    def end(self) -> None:
        """The client sends no more."""
        self._ended = True
        self._changed.set()
        self._room.set()

    async def read(self) -> bytes:
        """The next piece; ``b""`` at the end."""
        while not self._pieces:
            if self._ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        data = self._pieces.popleft()
        self._held -= len(data)
        if self._held <= _HIGH_WATER:
            self._room.set()
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes to the client."""
        if not self._finished:
            await self._send(data)

    async def finish(self) -> None:
        """Send no more; the other direction stays open."""
        if not self._finished:
            self._finished = True
            await self._finish()
