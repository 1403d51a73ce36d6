"""UPDATE: PUT of a whole object, or through a subresource."""

from __future__ import annotations

import orjson
from aiohttp import web

from apimachinery.errors import BadRequest
from apimachinery.objects.metadata import Obj
from apiserver.endpoints import transform
from apiserver.endpoints.admit import RequestAdmission
from apiserver.endpoints.body import check_write_options, read_object
from apiserver.endpoints.create import take_namespace
from apiserver.endpoints.exchange import Exchange
from apiserver.registry.store import Store


def check_name(exchange: Exchange, obj: Obj) -> None:
    """Check that the object is the one the URL names."""
    told, wanted = obj["metadata"].get("name"), exchange.info.name
    if not told:
        why = "name must be provided"
        raise BadRequest(f"the name of the object ({wanted} based on URL) was undeterminable: {why}")
    if told != wanted:
        raise BadRequest(f"the name of the object ({told}) does not match the name on the URL ({wanted})")


async def update(exchange: Exchange, store: Store, subresource: str = "") -> web.StreamResponse:
    """Replace an object and answer with the result."""
    check_write_options(exchange, "UpdateOptions")
    obj = await read_object(exchange, store.resource, store.strategy)
    take_namespace(exchange, store.resource, obj)
    check_name(exchange, obj)
    call = exchange.call(store.resource, subresource=subresource)
    call.options = {"verb": "update"}
    raw = orjson.dumps(obj)
    first = [obj]

    async def change(current: Obj | None) -> Obj:
        del current
        fresh: Obj = first.pop() if first else orjson.loads(raw)
        return fresh

    admit = RequestAdmission(exchange, store.resource, store.strategy, call)
    create = store.strategy.create_on_update and not subresource
    outcome = await store.update(call, change, admit, create=create)
    return transform.one(exchange, store, outcome.body, 201 if outcome.created else 200)
