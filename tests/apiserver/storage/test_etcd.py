"""Storage against a real etcd: guards, pages, compaction, and a cache that follows across restarts."""

import asyncio

import pytest

from apiserver.storage.cache.cached_storage import CachedStorage
from apiserver.storage.cache.feed import Feed
from apiserver.storage.errors import KeyChangedError, KeyExistsError, RevisionCompactedError
from apiserver.storage.etcd import EtcdStorage, open_channel
from apiserver.storage.interface import Page
from apiserver.storage.lease import LeaseManager
from apiserver.storage.transformer import TransformedStorage
from component.clock import Clock
from tests.apiserver.conftest import Pair

pytestmark = pytest.mark.live
VALUE = b'{"kind":"X","apiVersion":"v1","metadata":{"name":"a"}}'


@pytest.fixture
async def storage(pair: Pair):
    made = EtcdStorage(open_channel((f"http://127.0.0.1:{pair.etcd_port}",), "", "", ""))
    yield made
    await made.close()


async def test_writes_are_guarded(storage: EtcdStorage):
    revision = await storage.create("/t1/a", b"1")
    with pytest.raises(KeyExistsError):
        await storage.create("/t1/a", b"2")
    later = await storage.guarded_update("/t1/a", b"2", revision)
    with pytest.raises(KeyChangedError) as caught:
        await storage.guarded_update("/t1/a", b"3", revision)
    assert caught.value.current == ("/t1/a", b"2", later)
    with pytest.raises(KeyChangedError):
        await storage.guarded_delete("/t1/a", revision)
    gone = await storage.guarded_delete("/t1/a", later)
    assert gone > later
    with pytest.raises(KeyChangedError) as caught:
        await storage.guarded_update("/t1/a", b"3", later)
    assert caught.value.current is None


async def test_pages_and_compaction(storage: EtcdStorage):
    for index in range(5):
        await storage.create(f"/t2/{index}", b"x")
    page = await storage.list("/t2/", limit=2)
    assert ([item.key for item in page.items], page.remaining) == (["/t2/0", "/t2/1"], 3)
    later = await storage.create("/t2/9", b"x")
    rest = await storage.list("/t2/", start="/t2/1\0", revision=page.revision)
    assert [item.key for item in rest.items] == ["/t2/2", "/t2/3", "/t2/4"]
    await storage.compact(later)
    with pytest.raises(RevisionCompactedError):
        await storage.list("/t2/", revision=page.revision)


class Compacted(EtcdStorage):
    """etcd whose history goes between the first two pages of the next list."""

    due = True

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        page = await super().list(prefix, start=start, limit=limit, revision=revision)
        if self.due and page.remaining:
            self.due = False
            gone, changed = page.items[:2]
            await self.guarded_delete(gone.key, gone.revision)
            await self.guarded_update(changed.key, VALUE, changed.revision)
            await self.compact(await self.current_revision())
        return page


@pytest.fixture
async def compacted(pair: Pair):
    made = Compacted(open_channel((f"http://127.0.0.1:{pair.etcd_port}",), "", "", ""))
    yield made
    await made.close()


async def found(storage: EtcdStorage, prefix: str) -> dict[str, int]:
    page = await storage.list(prefix)
    return {item.key.removeprefix(f"{prefix}pods/"): item.revision for item in page.items}


def held(cached: CachedStorage) -> dict[str, int]:
    return {entry.key: entry.revision for entry in cached.cache("pods").select()}


async def test_a_load_whose_revision_is_compacted_between_pages_begins_anew(compacted: Compacted):
    for index in range(7):
        await compacted.create(f"/t4/pods/ns/{index}", VALUE)
    cached = CachedStorage(compacted, "/t4", LeaseManager(compacted, Clock()))
    await Feed(cached, Clock(), page_size=3).load()
    assert not compacted.due
    assert held(cached) == await found(compacted, "/t4/")
    assert "ns/0" not in held(cached)


async def test_what_a_compacted_watch_has_missed_is_found_in_pages(compacted: Compacted):
    clock = Clock()
    revisions = [await compacted.create(f"/t5/pods/ns/{index}", VALUE) for index in range(7)]
    cached = CachedStorage(compacted, "/t5", LeaseManager(compacted, clock))
    compacted.due = False
    feed = Feed(cached, clock, page_size=3)
    await feed.load()
    events: list[tuple[str, int, bool]] = []
    cached.cache("pods").listeners.append(
        lambda event: events.append((event.entry.key, event.entry.revision, event.deleted))
    )
    # The watch does not run yet: what happens now is gone from etcd's history before it does.
    await compacted.guarded_delete("/t5/pods/ns/6", revisions[6])
    await compacted.guarded_update("/t5/pods/ns/5", VALUE, revisions[5])
    await compacted.create("/t5/pods/ns/new", VALUE)
    await compacted.compact(await compacted.current_revision())
    compacted.due = True
    task = asyncio.ensure_future(feed.run())
    try:
        async with asyncio.timeout(10):
            while held(cached) != await found(compacted, "/t5/"):
                await asyncio.sleep(0.01)
        last = await compacted.create("/t5/pods/ns/last", VALUE)
        assert await cached.freshness.wait_for(last, 10)
    finally:
        task.cancel()
    assert not compacted.due
    assert sorted((key, deleted) for key, _, deleted in events) == [
        ("ns/0", True),
        ("ns/1", False),
        ("ns/5", False),
        ("ns/6", True),
        ("ns/last", False),
        ("ns/new", False),
    ]
    assert [revision for _, revision, _ in events] == sorted(revision for _, revision, _ in events)


async def test_a_page_of_what_cannot_be_read_does_not_end_a_load(storage: EtcdStorage):
    for index in range(6):
        await storage.create(f"/t6/pods/ns/{index}", VALUE if index in (0, 5) else b"k8s:enc:aescbc:v1:lost:x")
    cached = CachedStorage(TransformedStorage(storage, "/t6", {}), "/t6", LeaseManager(storage, Clock()))
    await Feed(cached, Clock(), page_size=2).load()
    assert list(held(cached)) == ["ns/0", "ns/5"]


async def test_cache_follows_and_reads_its_own_writes(storage: EtcdStorage):
    clock = Clock()
    await storage.create("/t3/pods/ns/old", VALUE)
    cached = CachedStorage(storage, "/t3", LeaseManager(storage, clock))
    feed = Feed(cached, clock)
    await feed.load()
    assert [entry.key for entry in cached.cache("pods").select()] == ["ns/old"]
    task = asyncio.ensure_future(feed.run())
    try:
        for index in range(50):
            revision = await cached.create("pods", f"ns/{index}", VALUE)
            await cached.ensure_fresh()
            assert cached.cache("pods").entries[f"ns/{index}"].revision == revision
        await storage.create("/t3/pods/ns/foreign", VALUE)
        cached.shared = True
        await cached.ensure_fresh()
        assert "ns/foreign" in cached.cache("pods").entries
        before = cached.revision
        await cached.delete("pods", "ns/0", cached.cache("pods").entries["ns/0"].revision)
        await cached.ensure_fresh()
        assert "ns/0" in {entry.key for entry in await cached.list_at("pods", "", before)}
    finally:
        task.cancel()
