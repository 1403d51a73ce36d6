"""Waiting until the cache has seen a revision."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count


class Freshness:
    """The revision the cache has reached, and who waits for a later one."""

    def __init__(self) -> None:
        self.revision = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    def reached(self, revision: int) -> None:
        """Tell that everything up to a revision has been applied."""
        self.revision = max(self.revision, revision)
        while self._waiting and self._waiting[0][0] <= self.revision:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)

    async def wait_for(self, revision: int, seconds: float) -> bool:
        """Wait until a revision is reached; False when it takes longer than `seconds`."""
        if revision <= self.revision:
            return True
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (revision, next(self._order), future))
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return False
        return True
