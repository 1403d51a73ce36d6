"""CREATE: POST to a collection."""

from __future__ import annotations

from aiohttp import web

from apimachinery.errors import BadRequest
from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource
from apiserver.endpoints import transform
from apiserver.endpoints.admit import RequestAdmission
from apiserver.endpoints.body import check_write_options, read_object
from apiserver.endpoints.exchange import Exchange
from apiserver.registry.store import Store


def take_namespace(exchange: Exchange, resource: Resource, obj: Obj) -> None:
    """Check that the object is of the namespace in the URL."""
    told = obj["metadata"].get("namespace")
    wanted = exchange.info.namespace if resource.namespaced else ""
    if told and told != wanted:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
            if resource.namespaced
            else "namespace is not allowed on this type"
        )


async def create(exchange: Exchange, store: Store) -> web.StreamResponse:
    """Create an object and answer with it."""
    check_write_options(exchange, "CreateOptions")
    obj = await read_object(exchange, store.resource, store.strategy)
    take_namespace(exchange, store.resource, obj)
    call = exchange.call(store.resource)
    call.name = obj["metadata"].get("name") or ""
    if not call.name and not obj["metadata"].get("generateName"):
        call.name = ""  # validation tells what is missing
    admit = RequestAdmission(exchange, store.resource, store.strategy, call)
    outcome = await store.create(obj, call, admit)
    return transform.one(exchange, store, outcome.body, 201)
