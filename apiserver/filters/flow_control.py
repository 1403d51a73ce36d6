"""Bounded concurrency: by priority and fairness, or by two plain limits; who doesn't fit gets 429.

Watches hold a place until they have caught up; other long-running requests (exec, logs, proxies) need none.
"""

from __future__ import annotations

from typing import Protocol

from apiserver.authentication.user import MASTERS
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.plain_error import PlainError
from apiserver.flowcontrol.classification import Digest
from apiserver.flowcontrol.configuration import Configuration
from apiserver.flowcontrol.debug import dump
from apiserver.flowcontrol.dispatcher import Dispatcher, Seat
from apiserver.metrics import Metrics

_READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_WAITING_PART = 4  # upstream lets a request wait for a quarter of its time
_RETRY_SECONDS = "1"


class OverloadedError(PlainError):
    """A request is turned away: it may come again a little later."""

    def __init__(self) -> None:
        super().__init__(429, "Too many requests, please try again later.", {"Retry-After": _RETRY_SECONDS})


class FlowControl(Protocol):
    """Decides whether and when a request runs."""

    async def enter(self, exchange: Exchange, seconds: float) -> None:
        """Take a place, waiting if need be; `OverloadedError`.

        Args:
            exchange: the request, whose user is known; the place becomes its `leave`.
            seconds: how long the request may take in all.
        """

    def report(self, metrics: Metrics) -> None:
        """Bring the gauges up to date."""

    def dump(self, name: str) -> bytes | None:
        """Return a table for debugging, None where there is none of that name."""


class MaxInFlight:
    """Two limits: reads and writes answered at the same time. Masters are not limited."""

    def __init__(self, reads: int, writes: int) -> None:
        self._limits = {True: reads, False: writes}
        self.under_way = {True: 0, False: 0}

    async def enter(self, exchange: Exchange, seconds: float) -> None:  # noqa: ARG002 - nobody waits
        """Take a place; `OverloadedError` when all are taken."""
        if MASTERS in exchange.user.groups:
            return
        read = exchange.info.method in _READ_METHODS
        limit = self._limits[read]
        if limit and self.under_way[read] >= limit:
            raise OverloadedError
        self.under_way[read] += 1
        exchange.leave = lambda: self._leave(read)

    def _leave(self, read: bool) -> None:  # noqa: FBT001 - the key of a table
        self.under_way[read] -= 1

    def report(self, metrics: Metrics) -> None:
        """Bring the gauges up to date: there are none."""

    def dump(self, name: str) -> bytes | None:  # noqa: ARG002 - there is none
        """Return None."""
        return None


class PriorityAndFairness:
    """Seats by priority level, turns by flow."""

    def __init__(self, configuration: Configuration, dispatcher: Dispatcher, metrics: Metrics) -> None:
        self.configuration = configuration
        self._dispatcher = dispatcher
        self._metrics = metrics

    async def enter(self, exchange: Exchange, seconds: float) -> None:
        """Take a seat, waiting if need be; `OverloadedError` when the queue is full or the wait too long."""
        info, user = exchange.info, exchange.user
        if info.resource_request:
            resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
            digest = Digest(user.name, user.groups, info.verb, "", True, info.group, resource, info.namespace)
        else:
            digest = Digest(user.name, user.groups, info.verb, info.path)
        found = self.configuration.classify(digest)
        exchange.flow_headers = found.headers
        level, dispatcher = found.level, self._dispatcher
        seat = dispatcher.start(level, found.flow)
        if seat is None:
            if not level.has_room(found.flow):
                reason = "queue-full" if level.limits.waits else "concurrency-limit"
                self._metrics.rejected.inc(level.name, found.schema.name, reason)
                raise OverloadedError
            try:
                seat = await dispatcher.wait(level, found.flow, seconds / _WAITING_PART)
            except TimeoutError:
                self._metrics.rejected.inc(level.name, found.schema.name, "time-out")
                raise OverloadedError from None
        exchange.leave = lambda: dispatcher.end(seat)

    def report(self, metrics: Metrics) -> None:
        """Bring the gauges up to date."""
        for level in self.configuration.levels():
            for gauge, value in (
                (metrics.seats_nominal, level.limits.nominal),
                (metrics.seats_minimum, level.limits.minimum),
                (metrics.seats_maximum, level.limits.maximum),
                (metrics.executing, level.running),
                (metrics.queued, level.waiting),
            ):
                gauge.set(level.name, to=value)

    def dump(self, name: str) -> bytes | None:
        """Return one of the tables about levels, queues and requests."""
        return dump(name, self.configuration.levels())


def count_dispatched(metrics: Metrics, seat: Seat, waited: float) -> None:
    """Count a request that has begun to run, and how long it has waited for that."""
    schema, level = seat.name[0], seat.level.name
    metrics.dispatched.inc(level, schema)
    metrics.waited.observe(schema, level, value=waited)
