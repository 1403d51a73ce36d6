"""Storage with a watch cache before it: reads from memory, writes through, never an answer older than a write.

One etcd watch over the whole prefix feeds all resources (measured: the cost of a watch stream is per stream, and a
single ordered stream makes every revision a progress mark for every resource).
"""

from __future__ import annotations

from apiserver.storage.cache.entry import Entry
from apiserver.storage.cache.freshness import Freshness
from apiserver.storage.cache.snapshots import Snapshots
from apiserver.storage.cache.watch_cache import WatchCache
from apiserver.storage.errors import RevisionCompactedError, StorageUnavailableError
from apiserver.storage.interface import Storage
from apiserver.storage.keys import split_directory
from apiserver.storage.lease import LeaseManager

_WAIT_SECONDS = 3.0


class CachedStorage:
    """The caches of all resources and the store behind them.

    Attributes:
        prefix: the root of all keys, with slashes at both ends.
        shared: whether another program writes to the same etcd; then a consistent read asks etcd for its revision.
    """

    def __init__(self, storage: Storage, prefix: str, leases: LeaseManager, *, shared: bool = False) -> None:
        self.storage = storage
        self.prefix = "/" + prefix.strip("/") + "/"
        self.leases = leases
        self.shared = shared
        self.freshness = Freshness()
        self.snapshots = Snapshots()
        self.written = 0
        self._caches: dict[str, WatchCache] = {}

    @property
    def revision(self) -> int:
        """The revision up to which the caches are complete."""
        return self.freshness.revision

    def cache(self, directory: str) -> WatchCache:
        """Return the cache of a resource directory, made on first sight."""
        found = self._caches.get(directory)
        if found is None:
            found = self._caches[directory] = WatchCache(self.revision)
        return found

    def caches(self) -> dict[str, WatchCache]:
        """Return all caches by directory."""
        return self._caches

    def locate(self, full_key: str) -> tuple[WatchCache, str]:
        """Return the cache and the key in it that an etcd key belongs to."""
        directory, key = split_directory(full_key[len(self.prefix) :])
        return self.cache(directory), key

    async def ensure_fresh(self, revision: int = 0) -> None:
        """Wait until the cache has all acknowledged writes (or the given revision)."""
        wanted = revision or self.written
        if self.shared and not revision:
            wanted = max(wanted, await self.storage.current_revision())
        if wanted > self.freshness.revision and not await self.freshness.wait_for(wanted, _WAIT_SECONDS):
            raise StorageUnavailableError("the watch cache is behind etcd")

    def _full(self, directory: str, key: str) -> str:
        return f"{self.prefix}{directory}/{key}"

    async def create(self, directory: str, key: str, value: bytes, *, ttl: int = 0) -> int:
        """Write a new object and return its revision."""
        lease = await self.leases.lease_for(ttl) if ttl else 0
        revision = await self.storage.create(self._full(directory, key), value, lease=lease)
        self.written = max(self.written, revision)
        return revision

    async def update(self, directory: str, key: str, value: bytes, revision: int, *, ttl: int = 0) -> int:
        """Replace an object last written at `revision` and return the new revision."""
        lease = await self.leases.lease_for(ttl) if ttl else 0
        new = await self.storage.guarded_update(self._full(directory, key), value, revision, lease=lease)
        self.written = max(self.written, new)
        return new

    async def delete(self, directory: str, key: str, revision: int) -> int:
        """Delete an object last written at `revision` and return the deletion's revision."""
        new = await self.storage.guarded_delete(self._full(directory, key), revision)
        self.written = max(self.written, new)
        return new

    def is_stale(self, directory: str, key: str) -> bool:
        """Whether an object should be written again though it has not changed (another key encrypts it now)."""
        return self.storage.is_stale(self._full(directory, key))

    async def list_at(self, directory: str, prefix: str, revision: int) -> list[Entry]:
        """Return the objects as they were at an older revision; `RevisionCompactedError` when it is gone."""
        pinned = self.snapshots.find(directory, prefix, revision)
        if pinned is not None:
            return pinned
        if revision < self.snapshots.compacted:
            raise RevisionCompactedError(str(revision))
        page = await self.storage.list(self._full(directory, prefix), revision=revision)
        cache = WatchCache(revision)
        for item in page.items:
            cache.load(split_directory(item.key[len(self.prefix) :])[1], item.value, item.revision)
        entries = cache.select()
        self.snapshots.pin(directory, prefix, revision, entries)
        return entries

    def compacted(self, revision: int) -> None:
        """Forget what is older than a compaction."""
        self.snapshots.forget_before(revision)
        for cache in self._caches.values():
            cache.history.forget_before(revision)
