"""Answers of other servers, kept for as long as they allow, at most half a minute.

Pure; the time is a parameter. Keyed by question; the oldest entries go first when it is full.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

MAX_SECONDS = 30
_MAX_ENTRIES = 4096

Question = tuple[str, int, int, bool]


@dataclass(frozen=True, slots=True)
class _Entry:
    packet: bytes
    stored: float
    expires: float


class Cache:
    """Packets by question: lower-case name, type, class, and whether DNSSEC records were asked for."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Question, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, question: Question, now: float) -> tuple[bytes, int] | None:
        """The packet and its age in seconds, or None."""
        entry = self._entries.get(question)
        if entry is None:
            return None
        if entry.expires <= now:
            del self._entries[question]
            return None
        return entry.packet, int(now - entry.stored)

    def put(self, question: Question, packet: bytes, seconds: float, now: float) -> None:
        """Keeps a packet; not at all for zero seconds."""
        if seconds <= 0:
            return
        self._entries[question] = _Entry(packet, now, now + min(seconds, MAX_SECONDS))
        self._entries.move_to_end(question)
        while len(self._entries) > _MAX_ENTRIES:
            self._entries.popitem(last=False)
