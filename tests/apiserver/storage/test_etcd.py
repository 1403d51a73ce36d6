"""Storage against a real etcd: guards, pages, compaction, and a cache that follows across restarts."""

import asyncio

import pytest

from apiserver.storage.cache.cached_storage import CachedStorage
from apiserver.storage.cache.feed import Feed
from apiserver.storage.errors import KeyChangedError, KeyExistsError, RevisionCompactedError
from apiserver.storage.etcd import EtcdStorage, open_channel
from apiserver.storage.lease import LeaseManager
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
