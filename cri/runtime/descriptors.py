"""Pipes and terminals read and written without blocking the event loop."""

import asyncio
import contextlib
import errno
import os

_PIECE = 1 << 15


class Descriptor:
    """One end of a pipe or a terminal; owned, and closed with it."""

    def __init__(self, descriptor: int) -> None:
        """Take over a descriptor."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor

    async def read(self) -> bytes:
        """The next piece; ``b""`` at the end (a terminal whose other side has gone says EIO)."""
        while self._descriptor >= 0:
            try:
                return os.read(self._descriptor, _PIECE)
            except BlockingIOError:
                await self._ready(writing=False)
            except OSError as error:
                if error.errno == errno.EIO:
                    return b""
                raise
        return b""

    async def write(self, data: bytes) -> bool:
        """Write everything; False if nobody reads any more."""
        view = memoryview(data)
        while view:
            if self._descriptor < 0:
                return False
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                await self._ready(writing=True)
            except OSError as error:
                if error.errno in (errno.EPIPE, errno.EIO):
                    return False
                raise
        return True

    async def _ready(self, *, writing: bool) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        descriptor = self._descriptor
        add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
        add(descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            with contextlib.suppress(OSError, ValueError):
                remove(descriptor)

    def close(self) -> None:
        """Close it; the end for whoever is on the other side."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
