"""A queue of keys: each waits at most once, is worked on by one worker at a time, and may be added for later.

Guarantees: a key added while it waits is not doubled; a key added while it is worked on is worked on again afterwards;
a failed key comes back after a back-off that doubles.
"""

import asyncio
import heapq
from collections import deque

from component.clock import Clock


class WorkQueue:
    """Keys to work on.

    Args:
        first_backoff: Seconds before a failed key comes back for the first time.
        longest_backoff: The most it waits.
    """

    def __init__(
        self, clock: Clock | None = None, *, first_backoff: float = 0.005, longest_backoff: float = 30.0
    ) -> None:
        self._clock = clock or Clock()
        self._first, self._longest = first_backoff, longest_backoff
        self._ready: deque[str] = deque()
        self._dirty: set[str] = set()
        self._active: set[str] = set()
        self._failures: dict[str, int] = {}
        self._later: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: str) -> None:
        """Work on a key soon."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._active:
            self._ready.append(key)
            self._wake.set()

    def add_after(self, key: str, seconds: float) -> None:
        """Work on a key after some time; the earliest wish counts."""
        if seconds <= 0:
            self.add(key)
            return
        moment = self._clock.monotonic() + seconds
        if self._due.get(key, float("inf")) <= moment:
            return
        self._due[key] = moment
        heapq.heappush(self._later, (moment, key))
        self._wake.set()

    def add_rate_limited(self, key: str) -> None:
        """Bring a failed key back after its back-off."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(self._first * 2**failures, self._longest))

    def forget(self, key: str) -> None:
        """A key has succeeded: its next failure starts from the first back-off."""
        self._failures.pop(key, None)

    def failures(self, key: str) -> int:
        """How often a key has failed in a row."""
        return self._failures.get(key, 0)

    async def get(self) -> str:
        """The next key; call `done` afterwards."""
        while True:
            self._move_due()
            if self._ready:
                key = self._ready.popleft()
                self._dirty.discard(key)
                self._active.add(key)
                return key
            self._wake.clear()
            try:
                timeout = self._later[0][0] - self._clock.monotonic() if self._later else None
                async with asyncio.timeout(max(timeout, 0.0) if timeout is not None else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def done(self, key: str) -> None:
        """A key was worked on."""
        self._active.discard(key)
        if key in self._dirty:
            self._ready.append(key)
            self._wake.set()

    def _move_due(self) -> None:
        now = self._clock.monotonic()
        while self._later and self._later[0][0] <= now:
            moment, key = heapq.heappop(self._later)
            if self._due.get(key) == moment:
                del self._due[key]
                self.add(key)
