"""Time as a parameter: code that needs the time takes a `Clock`, so that tests need not sleep."""

import asyncio
import datetime
import time


class Clock:
    """The real clock."""

    def now(self) -> datetime.datetime:
        """The wall clock, in UTC."""
        return datetime.datetime.now(datetime.UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class FakeClock(Clock):
    """A clock that moves when told to.

    Args:
        start: Its wall clock at the beginning.
    """

    def __init__(self, start: datetime.datetime = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)) -> None:
        self._start = start
        self._passed = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime.datetime:
        """The start plus what has passed."""
        return self._start + datetime.timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        """What has passed, in seconds."""
        return self._passed

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has gone far enough."""
        woken = asyncio.Event()
        self._sleepers.append((self._passed + seconds, woken))
        await woken.wait()

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake those whose time has come."""
        self._passed += seconds
        due = [sleeper for sleeper in self._sleepers if sleeper[0] <= self._passed]
        self._sleepers = [sleeper for sleeper in self._sleepers if sleeper[0] > self._passed]
        for _, woken in sorted(due, key=lambda sleeper: sleeper[0]):
            woken.set()
