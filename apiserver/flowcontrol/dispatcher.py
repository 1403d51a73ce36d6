"""Who runs now and who waits: the levels' seats, and turns when there is not enough processor for all.

Seats bound what waits for others (etcd, webhooks). But most requests need nothing but this process, which does one
thing at a time: there, what matters is who is next. So once requests have used a while of the event loop's present
round, the later ones wait, too, and are let in by share, a little per round, while new requests are read and ranked.
A server that has time never gets there: a request then costs a few comparisons.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Final

from apiserver.flowcontrol.priority_level import Flow, Level, Limits

# What requests may use of one round of the event loop before others have to wait, and what is let in per round then.
_ROUND_SECONDS: Final = 0.005
_BATCH_SECONDS: Final = 0.002


class Seat:
    """A request's place, waiting or running."""

    __slots__ = ("arrived", "charged", "flow", "future", "level", "name", "started", "waiting")

    def __init__(self, level: Level, name: tuple[str, str]) -> None:
        self.level = level
        self.name = name
        self.arrived = 0.0
        self.started = 0.0
        self.charged = 0.0
        self.waiting = False
        self.flow: Flow | None = None
        self.future: asyncio.Future[None] | None = None


class Dispatcher:
    """All priority levels of a server.

    Args:
        seats: how many requests may run at the same time.
        waited: called with a seat and the seconds it has waited, when it begins to run.
    """

    def __init__(self, seats: int, waited: Callable[[Seat, float], None]) -> None:
        self.seats = seats
        self._waited = waited
        self.levels: dict[str, Level] = {}
        self._leaving: list[Level] = []
        self._pool = seats
        self._borrowed = 0
        self._waiting = 0
        self._used = 0.0
        self._pumping = False
        self._round_open = False
        self._round_started = 0.0

    def configure(self, limits: dict[str, Limits], uids: dict[str, str]) -> None:
        """Take new limits; those that wait in a level that is gone are let in without any."""
        gone = [level for name, level in self.levels.items() if name not in limits]
        for level in gone:
            level.limits = Limits()
        self._leaving = [level for level in (*self._leaving, *gone) if level.waiting]
        before = self.levels
        self.levels = {name: before.get(name) or Level(name) for name in limits}
        for name, level in self.levels.items():
            level.limits, level.uid = limits[name], uids.get(name, "")
        every = self.levels.values()
        self._pool = max(self.seats - sum(level.limits.minimum for level in every), 0)
        self._borrowed = sum(max(level.running - level.limits.minimum, 0) for level in every if not level.limits.exempt)
        self._pump_soon()

    # -- a request's way -------------------------------------------------------------------------------------------

    def start(self, level: Level, name: tuple[str, str]) -> Seat | None:
        """Let a request run if it can at once; None when it has to wait."""
        now = perf_counter()
        busy = self._pumping or level.waiting
        if not self._round_open:
            self._round_open = True
            self._round_started = now
            asyncio.get_running_loop().call_soon(self._end_round)
        elif now - self._round_started > _ROUND_SECONDS:
            busy = True
        if (busy and level.limits.waits) or not self._fits(level):
            return None
        seat = Seat(level, name)
        self._seated(seat, now)
        self._waited(seat, 0.0)
        return seat

    async def wait(self, level: Level, name: tuple[str, str], seconds: float) -> Seat:
        """Wait for a seat; `TimeoutError` after `seconds`. The caller has asked whether there is room."""
        seat = Seat(level, name)
        seat.arrived = perf_counter()
        seat.future = asyncio.get_running_loop().create_future()
        if not level.waiting:
            level.used = max(level.used, self._used)
        seat.waiting = True
        level.push(name, seat)
        self._waiting += 1
        self._pump_soon()
        try:
            async with asyncio.timeout(seconds):
                await seat.future
        except BaseException:
            if seat.started:
                self.end(seat)
            elif seat.waiting:
                level.remove(name, seat)
                self._waiting -= 1
            raise
        return seat

    def end(self, seat: Seat) -> None:
        """Give a seat back; a second time does nothing."""
        if not seat.started:
            return
        level, seconds = seat.level, perf_counter() - seat.started
        seat.started = 0.0
        level.learn(seconds, seat.charged)
        if seat.flow is not None:
            seat.flow.used += seconds - seat.charged
        if not level.limits.exempt and level.running > level.limits.minimum:
            self._borrowed -= 1
        level.running -= 1
        if self._waiting:
            self._pump_soon()

    # -- turns -----------------------------------------------------------------------------------------------------

    def _fits(self, level: Level) -> bool:
        limits, running = level.limits, level.running
        if limits.exempt or running < limits.minimum:
            return True
        return running < limits.maximum and self._borrowed < self._pool

    def _seated(self, seat: Seat, now: float) -> None:
        level = seat.level
        level.running += 1
        if not level.limits.exempt and level.running > level.limits.minimum:
            self._borrowed += 1
        seat.started = now

    def _end_round(self) -> None:
        self._round_open = False

    def _pump_soon(self) -> None:
        if self._waiting and not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Let in some of those that wait, those first that have had the least of their share."""
        spent = 0.0
        now = perf_counter()
        while self._waiting:
            ready = [one for one in (*self.levels.values(), *self._leaving) if one.waiting and self._fits(one)]
            if not ready:
                break
            if spent >= _BATCH_SECONDS:
                asyncio.get_running_loop().call_soon(self._pump)
                return
            level = min(ready, key=lambda one: one.used)
            self._used = level.used
            flow, seat = level.pop()
            self._waiting -= 1
            seat.waiting = False
            if seat.future is None or seat.future.done():  # the client has gone, its task will see that next
                continue
            seat.flow, seat.charged = flow, level.average
            spent += level.average
            self._seated(seat, now)
            self._waited(seat, now - seat.arrived)
            seat.future.set_result(None)
        # The end of a running request starts it again.
        self._pumping = False
