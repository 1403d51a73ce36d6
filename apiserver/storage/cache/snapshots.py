"""Consistent pages: a list asked for in parts sees one revision until its last part.

The first page pins the (shared, immutable) entries of that moment; later pages are cut from it. What is pinned is
a list of references, dropped after a while, by number, or when its revision is compacted.
"""

from __future__ import annotations

from collections import OrderedDict

from apiserver.storage.cache.entry import Entry

_MAX_SNAPSHOTS = 64


class Snapshots:
    """Pinned lists by (directory, key prefix, revision)."""

    def __init__(self) -> None:
        self._lists: OrderedDict[tuple[str, str, int], list[Entry]] = OrderedDict()
        self.compacted = 0

    def pin(self, directory: str, prefix: str, revision: int, entries: list[Entry]) -> None:
        """Keep a list for later pages."""
        self._lists[(directory, prefix, revision)] = entries
        self._lists.move_to_end((directory, prefix, revision))
        while len(self._lists) > _MAX_SNAPSHOTS:
            self._lists.popitem(last=False)

    def find(self, directory: str, prefix: str, revision: int) -> list[Entry] | None:
        """Return the list pinned at a revision, if still there."""
        return self._lists.get((directory, prefix, revision))

    def forget_before(self, revision: int) -> None:
        """Drop what is older than a compaction."""
        self.compacted = max(self.compacted, revision)
        for key in [key for key in self._lists if key[2] < revision]:
            del self._lists[key]
