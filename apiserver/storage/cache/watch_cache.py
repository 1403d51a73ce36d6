"""The watch cache of one resource: a pure machine, changes in, events out to its subscribers.

Holds every object's bytes, the order of keys, and the recent history. It promises that each subscriber is told every
event exactly once and in order of revision. It never waits, never parses, and talks to nobody but its subscribers.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Protocol

from apiserver.storage.cache.entry import Entry
from apiserver.storage.cache.history import CacheEvent, History


class Subscriber(Protocol):
    """Whoever wants the events of a cache."""

    def deliver(self, event: CacheEvent) -> None:
        """Take one event; must not raise and must not wait."""


class WatchCache:
    """All objects of one resource, and what happened to them lately."""

    def __init__(self, revision: int) -> None:
        self.entries: dict[str, Entry] = {}
        self._keys: list[str] = []
        self._sorted = True
        self.history = History(revision)
        self.subscribers: dict[Subscriber, None] = {}
        self.listeners: list[Callable[[CacheEvent], None]] = []

    def load(self, key: str, value: bytes, revision: int) -> None:
        """Take an object as found at start, before any event."""
        self.entries[key] = Entry.from_value(key, value, revision)
        self._keys.append(key)
        self._sorted = False

    def unload(self) -> None:
        """Forget what a load that broke off has brought."""
        self.entries.clear()
        self._keys.clear()

    def apply(self, key: str, value: bytes | None, revision: int) -> CacheEvent | None:
        """Take one change and tell the subscribers; a change already known is dropped."""
        previous = self.entries.get(key)
        if previous is not None and revision <= previous.revision:
            return None
        if value is None:
            if previous is None:
                return None
            del self.entries[key]
            keys = self._ordered()
            del keys[bisect_left(keys, key)]
            event = CacheEvent(previous.with_new_revision(revision), previous, deleted=True)
        else:
            entry = Entry.from_value(key, value, revision)
            self.entries[key] = entry
            if previous is None:
                insort(self._ordered(), key)
            event = CacheEvent(entry, previous, deleted=False)
        self.history.append(event)
        for listener in self.listeners:
            listener(event)
        for subscriber in tuple(self.subscribers):
            subscriber.deliver(event)
        return event

    def _ordered(self) -> list[str]:
        if not self._sorted:
            self._keys.sort()
            self._sorted = True
        return self._keys

    def select(self, prefix: str = "") -> list[Entry]:
        """Return the objects whose key begins with a prefix, in order of key."""
        keys = self._ordered()
        entries = self.entries
        if not prefix:
            return [entries[key] for key in keys]
        start = bisect_left(keys, prefix)
        end = bisect_left(keys, prefix[:-1] + chr(ord(prefix[-1]) + 1), start)
        return [entries[key] for key in keys[start:end]]

    def __len__(self) -> int:
        return len(self.entries)
