"""Subresources that answer with something else than the object: scale, binding, eviction, token."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from apimachinery.errors import BadRequest, Invalid, MethodNotAllowed, NotFound
from apimachinery.objects.field_path import FieldPath, invalid
from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource
from apimachinery.schema.decode import decode as decode_kind
from apimachinery.schema.tables import schema_for
from apiserver.admission.chain import AdmissionAttributes
from apiserver.endpoints import transform
from apiserver.endpoints.admit import RequestAdmission
from apiserver.endpoints.body import as_object, check_write_options, decode, read_body
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.negotiation import body_media
from apiserver.endpoints.patch import patched, read_patch
from apiserver.registry.autoscaling.scale import ScalePaths, apply_scale, paths_of, to_scale
from apiserver.registry.core.pod_binding import bind
from apiserver.registry.core.pod_eviction import evict
from apiserver.registry.store import Store

_SCALE = "autoscaling/v1"


async def _read(exchange: Exchange, resource: Resource, kind: str, api_version: str) -> Obj:
    check_write_options(exchange, "CreateOptions")
    raw = await read_body(exchange)
    value = decode(raw, body_media(exchange.request.headers.get("Content-Type", "")))
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
    obj = await _read(exchange, store.resource, "Binding", "v1")
    if not exchange.info.name:
        exchange.info.name, exchange.info.subresource = obj["metadata"].get("name", ""), "binding"
    await _admit(exchange, store.resource, obj, ("", "v1", "Binding"))
    await bind(store, obj, exchange.call(store.resource))
    return _success(exchange)


async def eviction(exchange: Exchange, store: Store) -> web.StreamResponse:
    """POST pods/NAME/eviction."""
    if exchange.info.verb != "create":
        raise MethodNotAllowed.of(store.resource, exchange.info.verb)
    obj = await _read(exchange, store.resource, "Eviction", "policy/v1")
    await _admit(exchange, store.resource, obj, ("policy", "v1", "Eviction"))
    call = exchange.call(store.resource)
    options = obj.get("deleteOptions") or {}
    call.dry_run = call.dry_run or bool(options.get("dryRun"))
    admit = RequestAdmission(exchange, store.resource, store.strategy, call, delete=True, options=options)
    await evict(exchange.services.registry, obj, call, admit)
    return _success(exchange)


# -- scale -----------------------------------------------------------------------------------------------------------


def _replicas(scale: Any, name: str) -> int:
    spec = scale.get("spec")
    if spec is not None and not isinstance(spec, dict):
        raise BadRequest('Scale in version "v1" cannot be handled as a Scale: spec must be an object')
    replicas = (spec or {}).get("replicas")
    if replicas is None:
        replicas = 0
    if type(replicas) is not int:
        raise BadRequest(
            'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal '
            "into Go struct field ScaleSpec.spec.replicas of type int32"
        )
    if replicas < 0:
        path = FieldPath("spec").child("replicas")
        errors = [invalid(path, replicas, "must be greater than or equal to 0")]
        raise Invalid.of("Scale", "autoscaling", name, errors)
    return replicas


async def scale(exchange: Exchange, store: Store) -> web.StreamResponse:
    """GET, PUT and PATCH of scale."""
    paths = paths_of(store.resource, store.strategy.scale)
    if paths is None:
        raise NotFound.path()
    info = exchange.info
    if info.verb == "get":
        obj = await store.read(await store.find(info.namespace, info.name))
        return transform.plain(exchange, orjson.dumps(to_scale(obj, paths)) + b"\n")
    if info.verb not in ("update", "patch"):
        raise MethodNotAllowed.of(store.resource, info.verb)
    wanted: Obj | None = None
    given = None
    if info.verb == "update":
        wanted = await _read(exchange, store.resource, "Scale", _SCALE)
    else:
        given = await read_patch(exchange, strategic=True)
    call = exchange.call(store.resource)

    async def change(current: Obj | None) -> Obj:
        assert current is not None
        before = to_scale(current, paths)
        if wanted is not None:
            after = wanted
        elif given is not None and given.is_apply:
            after = {**before, "spec": given.value.get("spec")}
        else:
            assert given is not None
            after = as_object(
                patched(before, given, schema_for(_SCALE, "Scale")), store.resource, kind="Scale", api_version=_SCALE
            )
        return _scaled(paths, current, after, info.name)

    admit = RequestAdmission(exchange, store.resource, store.strategy, call)
    outcome = await store.update(call, change, admit)
    return transform.plain(exchange, orjson.dumps(to_scale(orjson.loads(outcome.body), paths)) + b"\n")


def _scaled(paths: ScalePaths, current: Obj, after: Obj, name: str) -> Obj:
    apply_scale(current, _replicas(after, name), paths)
    version = after["metadata"].get("resourceVersion")
    if version:
        current["metadata"]["resourceVersion"] = version
    else:
        current["metadata"].pop("resourceVersion", None)
    uid = after["metadata"].get("uid")
    if uid:
        current["metadata"]["uid"] = uid
    return current


async def virtual(
    exchange: Exchange, handler: Any, resource: Resource, kind: str, api_version: str
) -> web.StreamResponse:
    """Answer a review or a token request: an object that is asked, not stored."""
    if exchange.info.verb != "create":
        raise MethodNotAllowed.of(resource, exchange.info.verb)
    obj = await _read(exchange, resource, kind, api_version)
    group, _, version = api_version.rpartition("/")
    obj = await _admit(exchange, resource, obj, (group, version, kind))
    result = await handler(exchange.user, obj, exchange.info.namespace, exchange.info.name)
    result.setdefault("kind", kind)
    result.setdefault("apiVersion", api_version)
    return transform.plain(exchange, orjson.dumps(result) + b"\n", 201)
