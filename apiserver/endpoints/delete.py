"""DELETE of one object and of a collection."""

from __future__ import annotations

import re
from typing import Any

import orjson
from aiohttp import web

from apimachinery.errors import BadRequest, NotFound
from apimachinery.objects.metadata import Obj
from apiserver.endpoints import transform
from apiserver.endpoints.admit import RequestAdmission
from apiserver.endpoints.body import decode, read_body
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.list import encode_list
from apiserver.endpoints.negotiation import body_media
from apiserver.endpoints.selection import selection
from apiserver.registry.graceful_delete import check_options
from apiserver.registry.store import Outcome, Store


async def read_options(exchange: Exchange) -> Obj:
    """Return DeleteOptions from the body, else from the query."""
    info = exchange.info
    options: Obj = {}
    if exchange.request.can_read_body:
        raw = await read_body(exchange)
        if raw:
            value = await decode(raw, body_media(exchange.request.headers.get("Content-Type", "")))
            if not isinstance(value, dict):
                raise BadRequest("the body is not DeleteOptions")
            if value.get("kind") not in (None, "", "DeleteOptions"):
                raise BadRequest(f'no kind "{value.get("kind")}" is registered for DeleteOptions')
            options = value
    if "gracePeriodSeconds" in info.query and "gracePeriodSeconds" not in options:
        text = info.first("gracePeriodSeconds")
        if not re.fullmatch(r"[+-]?[0-9]{1,19}", text):
            raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        options["gracePeriodSeconds"] = int(text)
    if "propagationPolicy" in info.query and "propagationPolicy" not in options:
        options["propagationPolicy"] = info.first("propagationPolicy")
    if "orphanDependents" in info.query and "orphanDependents" not in options:
        options["orphanDependents"] = info.flag("orphanDependents")
    if "dryRun" in info.query and "dryRun" not in options:
        options["dryRun"] = info.query["dryRun"]
    check_options(options)
    if options.get("preconditions") is not None and not isinstance(options["preconditions"], dict):
        raise BadRequest("json: cannot unmarshal into Go struct field DeleteOptions.preconditions")
    return options


async def _delete_one(exchange: Exchange, store: Store, options: Obj, namespace: str, name: str) -> Outcome:
    call = exchange.call(store.resource)
    call.namespace, call.name, call.options = namespace, name, options
    call.dry_run = bool(options.get("dryRun"))
    admit = RequestAdmission(exchange, store.resource, store.strategy, call, delete=True, options=options)
    return await store.delete(call, admit)


async def delete(exchange: Exchange, store: Store) -> web.StreamResponse:
    """Delete an object; answer with it, or with a Status once it is gone."""
    options = await read_options(exchange)
    info = exchange.info
    namespace = info.namespace if store.resource.namespaced else ""
    outcome = await _delete_one(exchange, store, options, namespace, info.name)
    if not outcome.deleted or store.strategy.returns_object:
        status = 202 if not outcome.deleted and options.get("propagationPolicy") == "Foreground" else 200
        return transform.one(exchange, store, outcome.body, 200 if store.strategy.returns_object else status)
    metadata = orjson.loads(outcome.body)["metadata"]
    details: dict[str, Any] = {"name": info.name, "kind": store.resource.plural, "uid": metadata.get("uid", "")}
    if store.resource.group:
        details["group"] = store.resource.group
    answer = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return transform.plain(exchange, orjson.dumps(answer) + b"\n")


async def delete_collection(exchange: Exchange, store: Store) -> web.StreamResponse:
    """Delete all selected objects, one after the other, and answer with their list."""
    options = await read_options(exchange)
    chosen = selection(exchange.info, store)
    await store.cached.ensure_fresh()
    if chosen.fields is not None and store.strategy.fields_ready is not None:
        await store.strategy.fields_ready(store.cache.select(chosen.prefix))
    entries = chosen.entries(store.cache)
    for entry in entries:
        try:
            await _delete_one(exchange, store, options, entry.namespace, entry.name)
        except NotFound:
            continue
    meta = {"resourceVersion": str(store.cached.revision)}
    return transform.plain(exchange, await encode_list(store, entries, meta))
