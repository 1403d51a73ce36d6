"""The last changes of one resource, so that a watch can start in the past."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator

from apiserver.storage.cache.entry import Entry

_MAX_EVENTS = 4096
_MAX_BYTES = 6 * 1024 * 1024


class CacheEvent:
    """A change: what the object was, what it is now (a deletion keeps the last state at the deletion's revision).

    `frames` holds encoded watch frames by their form, so that many watchers share one encoding.
    """

    __slots__ = ("deleted", "entry", "frames", "previous", "revision")

    def __init__(self, entry: Entry, previous: Entry | None, *, deleted: bool) -> None:
        self.entry = entry
        self.previous = previous
        self.revision = entry.revision
        self.deleted = deleted
        self.frames: dict[object, bytes] = {}


class History:
    """A bounded ring of events in order of revision."""

    def __init__(self, since: int) -> None:
        self._events: deque[CacheEvent] = deque()
        self._bytes = 0
        self.since = since

    def append(self, event: CacheEvent) -> None:
        """Add an event; the oldest fall off and move `since`."""
        self._events.append(event)
        self._bytes += len(event.entry.body)
        while len(self._events) > _MAX_EVENTS or (self._bytes > _MAX_BYTES and len(self._events) > 16):
            dropped = self._events.popleft()
            self._bytes -= len(dropped.entry.body)
            self.since = dropped.revision
        if len(self._events) > 1:
            self._events[-2].frames.clear()

    def after(self, revision: int) -> Iterator[CacheEvent] | None:
        """Return the events after a revision, or None when some of them are gone."""
        if revision < self.since:
            return None
        start = bisect_right(self._events, revision, key=lambda event: event.revision)
        return iter([self._events[index] for index in range(start, len(self._events))])

    def forget_before(self, revision: int) -> None:
        """Drop events up to a compacted revision."""
        while self._events and self._events[0].revision < revision:
            dropped = self._events.popleft()
            self._bytes -= len(dropped.entry.body)
            self.since = dropped.revision
