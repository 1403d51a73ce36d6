"""Subresources that answer with something else than the object: binding, eviction, token."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from apimachinery.errors import BadRequest, MethodNotAllowed
from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource
from apimachinery.schema.decode import decode as decode_kind
from apimachinery.schema.tables import schema_for
from apiserver.admission.chain import AdmissionAttributes
from apiserver.endpoints import transform
from apiserver.endpoints.admit import RequestAdmission, decoder
from apiserver.endpoints.body import as_object, check_write_options, decode, read_body
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.negotiation import body_media
from apiserver.registry.core.pod_binding import bind
from apiserver.registry.core.pod_eviction import evict
from apiserver.registry.store import Store

_SCALE = "autoscaling/v1"


async def read_kind(exchange: Exchange, resource: Resource, kind: str, api_version: str) -> Obj:
    """Return the object of a subresource's own kind in the body; `BadRequest`."""
    check_write_options(exchange, "CreateOptions")
    raw = await read_body(exchange)
    value = await decode(raw, body_media(exchange.request.headers.get("Content-Type", "")))
    obj = as_object(value, resource, kind=kind, api_version=api_version)
    schema = schema_for(api_version, kind)
    if schema is not None:
        obj = decode_kind(obj, schema)
        obj.setdefault("metadata", {})
    told = obj["metadata"].get("name")
    if exchange.info.name and told and told != exchange.info.name:
        raise BadRequest(f"name in URL does not match name in {kind} object")
    namespace = obj["metadata"].get("namespace")
    if namespace and namespace != exchange.info.namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    return obj


async def _admit(exchange: Exchange, resource: Resource, obj: Obj, kind: tuple[str, str, str]) -> Obj:
    """Run admission on the subresource's own object; returns it as the plugins left it."""
    attributes = AdmissionAttributes(
        operation="CREATE",
        resource=resource,
        subresource=exchange.info.subresource,
        namespace=exchange.info.namespace,
        name=exchange.info.name or obj["metadata"].get("name", ""),
        object=obj,
        old_object=None,
        user=exchange.user,
        dry_run=exchange.info.first("dryRun") == "All",
        warnings=exchange.warnings,
        audit=exchange.annotations,
        kind=kind,
        decode=decoder(kind),
    )
    await exchange.services.chain.mutate(attributes)
    await exchange.services.chain.validate(attributes)
    return attributes.object or obj


def _success(exchange: Exchange, status: int = 201) -> web.Response:
    answer = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": status}
    return transform.plain(exchange, orjson.dumps(answer) + b"\n", status)


async def binding(exchange: Exchange, store: Store) -> web.StreamResponse:
    """POST pods/NAME/binding, or bindings."""
    if exchange.info.verb != "create":
        raise MethodNotAllowed.of(store.resource, exchange.info.verb)
    obj = await read_kind(exchange, store.resource, "Binding", "v1")
    if not exchange.info.name:
        exchange.info.name, exchange.info.subresource = obj["metadata"].get("name", ""), "binding"
    await _admit(exchange, store.resource, obj, ("", "v1", "Binding"))
    await bind(store, obj, exchange.call(store.resource))
    return _success(exchange)


async def eviction(exchange: Exchange, store: Store) -> web.StreamResponse:
    """POST pods/NAME/eviction."""
    if exchange.info.verb != "create":
        raise MethodNotAllowed.of(store.resource, exchange.info.verb)
    obj = await read_kind(exchange, store.resource, "Eviction", "policy/v1")
    await _admit(exchange, store.resource, obj, ("policy", "v1", "Eviction"))
    call = exchange.call(store.resource)
    options = obj.get("deleteOptions") or {}
    call.dry_run = call.dry_run or bool(options.get("dryRun"))
    admit = RequestAdmission(exchange, store.resource, store.strategy, call, delete=True, options=options)
    await evict(exchange.services.registry, obj, call, admit)
    return _success(exchange)


async def virtual(
    exchange: Exchange, handler: Any, resource: Resource, kind: str, api_version: str
) -> web.StreamResponse:
    """Answer a review or a token request: an object that is asked, not stored."""
    if exchange.info.verb != "create":
        raise MethodNotAllowed.of(resource, exchange.info.verb)
    obj = await read_kind(exchange, resource, kind, api_version)
    group, _, version = api_version.rpartition("/")
    obj = await _admit(exchange, resource, obj, (group, version, kind))
    result = await handler(exchange.user, obj, exchange.info.namespace, exchange.info.name)
    result.setdefault("kind", kind)
    result.setdefault("apiVersion", api_version)
    return transform.plain(exchange, orjson.dumps(result) + b"\n", 201)
