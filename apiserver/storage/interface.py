"""The narrow seam between the API server and its store.

Everything the server needs of etcd: keys are strings, values are bytes, every write has a revision that only grows.
`apiserver.storage.etcd` fulfils it; nothing else in the server knows what is behind.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol


class KeyValue(NamedTuple):
    """One stored value and the revision of its last write."""

    key: str
    value: bytes
    revision: int


class Page(NamedTuple):
    """Part of a range: its items, the revision it was read at, how many keys follow it, and where they start."""

    items: list[KeyValue]
    revision: int
    remaining: int
    start_of_next: str = ""


class Change(NamedTuple):
    """One change seen by a watch: the value is None when the key was deleted."""

    key: str
    value: bytes | None
    revision: int


class ChangeBatch(NamedTuple):
    """Changes in order of revision; after them the watcher has seen everything up to `revision`."""

    changes: list[Change]
    revision: int


class Storage(Protocol):
    """etcd as the API server sees it. Every method may raise `StorageUnavailableError`."""

    async def get(self, key: str) -> KeyValue | None:
        """Return the latest value of a key (linearized), or None."""

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Return keys under a prefix in order, from `start` on, at a revision (0: latest); `RevisionCompactedError`."""

    async def create(self, key: str, value: bytes, *, lease: int = 0) -> int:
        """Write a new key and return the revision; `KeyExistsError`."""

    async def guarded_update(self, key: str, value: bytes, revision: int, *, lease: int = 0) -> int:
        """Replace a value last written at `revision` and return the new revision; `KeyChangedError`."""

    async def guarded_delete(self, key: str, revision: int) -> int:
        """Delete a key last written at `revision` and return the revision of the deletion; `KeyChangedError`."""

    def watch(self, prefix: str, revision: int) -> AsyncIterator[ChangeBatch]:
        """Yield changes from `revision` on, for ever; first none, when the watch has begun.

        `RevisionCompactedError`, `StorageUnavailableError` end it.
        """

    def is_stale(self, key: str) -> bool:
        """Whether a key's value would be kept in another form if it were written now."""

    async def current_revision(self) -> int:
        """Return the store's latest revision (linearized)."""

    async def compact(self, revision: int) -> None:
        """Drop history before a revision."""

    async def grant_lease(self, seconds: int) -> int:
        """Return a new lease; keys written with it vanish when it ends."""

    async def close(self) -> None:
        """Close the connection."""
