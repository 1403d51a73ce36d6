"""The two directions of a client's connection, and how long nothing has moved in either."""

import asyncio


class Activity:
    """Reader and writer of one connection in one object."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Watch a connection from now on."""
        self._reader = reader
        self._writer = writer
        self._moved = asyncio.get_running_loop().time()

    async def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; ``b""`` at the end."""
        data = await self._reader.read(size)
        self._moved = asyncio.get_running_loop().time()
        return data

    def write(self, data: bytes) -> None:
        """Send."""
        self._moved = asyncio.get_running_loop().time()
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait while the other side does not keep up."""
        await self._writer.drain()

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._writer.is_closing()

    async def idle(self, seconds: float) -> None:
        """Return once nothing has moved for so long."""
        left = seconds
        while left > 0:
            await asyncio.sleep(left)
            left = self._moved + seconds - asyncio.get_running_loop().time()
