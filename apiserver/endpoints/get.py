"""GET of one object."""

from __future__ import annotations

from aiohttp import web

from apimachinery.errors import NotFound
from apiserver.endpoints import transform
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.versions import wait_for_version
from apiserver.registry.store import Store


async def get(exchange: Exchange, store: Store) -> web.StreamResponse:
    """Answer with the object's bytes; with resourceVersion=0 whatever the cache has."""
    info = exchange.info
    if "resourceVersion" in info.query:
        await wait_for_version(exchange, info.first("resourceVersion"))
    else:
        await store.cached.ensure_fresh()
    entry = store.cache.entries.get(store.key(info.namespace, info.name))
    if entry is None:
        raise NotFound.of(store.resource, info.name)
    if store.strategy.from_storage is None:
        body = store.header + entry.body
    else:
        body = store.header + (await store.bodies([entry]))[0]
    return transform.one(exchange, store, body)
