"""Object bytes to the form the client asked for: as they are, as a Table, as metadata only, as YAML, pretty."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from apimachinery.errors import BadRequest, NotAcceptable
from apimachinery.objects.metadata import Obj
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.table import to_table
from apiserver.registry.store import Store


def partial(obj: Obj, api_version: str) -> Obj:
    """Return an object's metadata as PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": obj.get("metadata") or {}}


def include_object(exchange: Exchange) -> str:
    """Return what rows of a Table carry of their object; `BadRequest`."""
    wanted = exchange.info.first("includeObject", "Metadata") or "Metadata"
    if wanted not in ("None", "Metadata", "Object"):
        raise BadRequest(f'unrecognized includeObject value: "{wanted}"')
    return wanted


def table(exchange: Exchange, store: Store, objs: list[Obj], list_meta: Obj) -> Obj:
    """Return objects as a Table."""
    return to_table(
        store.resource,
        objs,
        list_meta,
        include_object=include_object(exchange),
        crd_columns=store.strategy.columns,
        now=exchange.services.clock.now(),
        api_version=exchange.form.api_version,
    )


def one(exchange: Exchange, store: Store, body: bytes, status: int = 200) -> web.Response:
    """Answer with one object given as JSON bytes."""
    form = exchange.form
    if not form.kind:
        return plain(exchange, body, status)
    obj = orjson.loads(body)
    if form.kind == "Table":
        version = obj.get("metadata", {}).get("resourceVersion", "")
        changed = table(exchange, store, [obj], {"resourceVersion": version})
    elif form.kind == "PartialObjectMetadata":
        changed = partial(obj, form.api_version)
    else:
        raise NotAcceptable("you requested PartialObjectMetadataList, but the requested object is not a list")
    return plain(exchange, orjson.dumps(changed) + b"\n", status)


def plain(exchange: Exchange, body: bytes, status: int = 200) -> web.Response:
    """Answer with JSON bytes, as YAML or indented if asked."""
    if exchange.form.media == "yaml":
        return exchange.answer(to_yaml(orjson.loads(body)), status, "application/yaml")
    if "pretty" in exchange.info.query and exchange.info.first("pretty").lower() not in ("", "false", "0"):
        body = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2) + b"\n"
    return exchange.answer(body, status)


def to_yaml(value: Any) -> bytes:
    """Return a value as YAML."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return bytes(yaml.dump(value, Dumper=dumper, sort_keys=True, encoding="utf-8", allow_unicode=True))
