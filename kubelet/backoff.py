"""Exponential back-off per key: 10 s doubling to 5 min, forgotten after 10 quiet minutes, as upstream's kubelet counts.

Time is a parameter; nothing here sleeps.
"""

from __future__ import annotations

from dataclasses import dataclass

INITIAL = 10.0
MAXIMUM = 300.0


@dataclass(slots=True)
class _Entry:
    delay: float
    updated: float


def go_duration(seconds: float) -> str:
    """Whole seconds the way Go prints a Duration: `10s`, `1m20s`, `5m0s`."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{secs}s"
    return f"{minutes}m{secs}s" if minutes else f"{secs}s"


class Backoff:
    """Delays per key."""

    def __init__(self, initial: float = INITIAL, maximum: float = MAXIMUM) -> None:
        self.initial = initial
        self.maximum = maximum
        self._entries: dict[str, _Entry] = {}

    def delay(self, key: str) -> float:
        """The current delay of a key; 0 when it has none."""
        entry = self._entries.get(key)
        return entry.delay if entry else 0.0

    def remaining(self, key: str, since: float, now: float) -> float:
        """Seconds that the key still has to wait, counted from `since`."""
        entry = self._entries.get(key)
        if entry is None or self._expired(entry, now):
            return 0.0
        return max(0.0, entry.delay - (now - since))

    def advance(self, key: str, now: float) -> float:
        """Count one more attempt; returns the delay before the next one."""
        entry = self._entries.get(key)
        if entry is None or self._expired(entry, now):
            self._entries[key] = _Entry(self.initial, now)
            return self.initial
        entry.delay = min(entry.delay * 2, self.maximum)
        entry.updated = now
        return entry.delay

    def reset(self, prefix: str) -> None:
        """Forget all keys that start with `prefix`."""
        for key in [k for k in self._entries if k.startswith(prefix)]:
            del self._entries[key]

    def collect(self, now: float) -> None:
        """Drop expired entries."""
        for key in [k for k, e in self._entries.items() if self._expired(e, now)]:
            del self._entries[key]

    def _expired(self, entry: _Entry, now: float) -> bool:
        return now - entry.updated > 2 * self.maximum
