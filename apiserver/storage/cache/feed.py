"""Fills the caches from etcd and keeps them in step.

At start one range over the whole prefix, then one watch from the revision after it. When the watch breaks it resumes
where it was; when that revision has been compacted meanwhile, the difference is found by listing again. A range is read
in pages at one revision: an answer with a whole large store in it would be too much for etcd and for us.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from apiserver.storage.cache.cached_storage import CachedStorage
from apiserver.storage.errors import RevisionCompactedError, StorageUnavailableError
from apiserver.storage.interface import KeyValue, Page
from component.clock import Clock
from component.logging import get_logger

_LOG = get_logger(__name__)
_PAGE = 2000
_FIRST_RETRY = 0.05
_LAST_RETRY = 1.0


class Feed:
    """The one that reads etcd's watch.

    Args:
        cached: what to fill.
        clock: the time.
        page_size: how many objects are read at once.
    """

    def __init__(self, cached: CachedStorage, clock: Clock, page_size: int = _PAGE) -> None:
        self._cached = cached
        self._clock = clock
        self._page_size = page_size
        self.connected = False
        """Whether etcd tells what happens."""

    async def load(self) -> None:
        """Fill the caches; waits for etcd as long as it takes."""
        delay = _FIRST_RETRY
        while True:
            try:
                revision = await self._load_once()
            except (StorageUnavailableError, RevisionCompactedError) as error:
                _LOG.info("waiting for etcd", error=str(error))
                await self._clock.sleep(delay)
                delay = min(delay * 2, _LAST_RETRY)
                continue
            for cache in self._cached.caches().values():
                cache.history.since = max(cache.history.since, revision)
            self._cached.freshness.reached(revision)
            return

    async def _load_once(self) -> int:
        cached = self._cached
        for cache in cached.caches().values():
            cache.unload()
        revision = 0
        async for page in self._pages():
            revision = page.revision
            for item in page.items:
                cache, key = cached.locate(item.key)
                cache.load(key, item.value, item.revision)
        return revision

    async def _pages(self) -> AsyncIterator[Page]:
        """Yield all there is, in order of key, as it was at one revision."""
        cached = self._cached
        start, revision = "", 0
        while True:
            page = await cached.storage.list(cached.prefix, start=start, limit=self._page_size, revision=revision)
            revision = page.revision
            yield page
            if not page.remaining:
                return
            start = page.start_of_next

    async def run(self) -> None:
        """Follow etcd for ever."""
        delay = _FIRST_RETRY
        cached = self._cached
        while True:
            before = cached.revision
            try:
                await self._follow()
            except RevisionCompactedError:
                self.connected = False
                await self._catch_up()
            except StorageUnavailableError as error:
                self.connected = False
                _LOG.warning("lost the watch on etcd, resuming", error=str(error))
            if cached.revision > before:
                delay = _FIRST_RETRY
            await self._clock.sleep(delay)
            delay = min(delay * 2, _LAST_RETRY)

    async def _follow(self) -> None:
        cached = self._cached
        async for batch in cached.storage.watch(cached.prefix, cached.revision + 1):
            self.connected = True
            for change in batch.changes:
                cache, key = cached.locate(change.key)
                cache.apply(key, change.value, change.revision)
            cached.freshness.reached(batch.revision)

    async def _catch_up(self) -> None:
        """Find by listing what the watch has missed; nothing is changed when that fails, and `run` begins anew."""
        cached = self._cached
        there: set[str] = set()
        missed: list[KeyValue] = []
        revision = 0
        try:
            async for page in self._pages():
                revision = page.revision
                there.update(item.key for item in page.items)
                missed.extend(item for item in page.items if item.revision > cached.revision)
        except (StorageUnavailableError, RevisionCompactedError) as error:
            _LOG.warning("lost the list of what the watch has missed, listing again", error=str(error))
            return
        for item in sorted(missed, key=lambda item: item.revision):
            cache, key = cached.locate(item.key)
            cache.apply(key, item.value, item.revision)
        for directory, cache in cached.caches().items():
            for key in [key for key in cache.entries if f"{cached.prefix}{directory}/{key}" not in there]:
                cache.apply(key, None, revision)
            cache.history.since = max(cache.history.since, revision)
        cached.freshness.reached(revision)
