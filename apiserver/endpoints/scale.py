"""GET, PUT and PATCH of scale: the replicas of a workload as `autoscaling/v1 Scale`."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from apimachinery.errors import BadRequest, InternalError, Invalid, MethodNotAllowed, NotFound
from apimachinery.objects.field_path import FieldPath, invalid
from apimachinery.objects.metadata import Obj
from apimachinery.schema.tables import schema_for
from apiserver.apply.merge import apply
from apiserver.endpoints import transform
from apiserver.endpoints.admit import RequestAdmission
from apiserver.endpoints.body import as_object
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.patch import Patch, patched, read_patch
from apiserver.endpoints.subresources import read_kind
from apiserver.endpoints.table import to_table
from apiserver.endpoints.update import check_name
from apiserver.registry.autoscaling.scale import ScalePaths, apply_scale, has_replicas, paths_of, to_scale
from apiserver.registry.store import Change, Store

_SCALE = "autoscaling/v1"
_COLUMNS = [
    {
        "name": "Desired",
        "type": "integer",
        "jsonPath": ".spec.replicas",
        "description": "desired number of instances for the scaled object.",
    },
    {
        "name": "Available",
        "type": "integer",
        "jsonPath": ".status.replicas",
        "description": "actual number of observed instances of the scaled object.",
    },
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


class _ScaleView:
    """What admission sees of a scale."""

    kind = ("autoscaling", "v1", "Scale")

    def __init__(self, paths: ScalePaths) -> None:
        self._paths = paths

    def show(self, obj: Obj) -> Obj:
        """Return the object's Scale."""
        return to_scale(obj, self._paths)

    def take(self, obj: Obj, shown: Obj) -> None:
        """Write the Scale's replicas into the object."""
        apply_scale(obj, _replicas(shown, obj["metadata"]["name"]), self._paths)


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
    """Answer with a Scale, after changing it if that is asked."""
    paths = paths_of(store.resource, store.strategy.scale)
    if paths is None:
        raise NotFound.path()
    info = exchange.info
    if info.verb == "get":
        obj = await store.read(await store.find(info.namespace, info.name))
        if store.strategy.scale is not None and not has_replicas(obj, paths):
            raise InternalError.of(f'the spec replicas field ".{".".join(paths.spec)}" does not exist')
        return _answer(exchange, store, to_scale(obj, paths))
    if info.verb not in ("update", "patch"):
        raise MethodNotAllowed.of(store.resource, info.verb)
    given: Patch | None = None
    if info.verb == "update":
        change = _replace(await read_kind(exchange, store.resource, "Scale", _SCALE), paths, info.name)
    else:
        given = await read_patch(exchange, strategic=True)
        change = _apply(exchange, store, given, paths) if given.is_apply else _patch(store, given, paths, info.name)
    call = exchange.call(store.resource, subresource="scale")
    admit = RequestAdmission(exchange, store.resource, store.strategy, call, view=_ScaleView(paths))
    outcome = await store.update(call, change, admit, tracked=given is None or not given.is_apply)
    return _answer(exchange, store, to_scale(orjson.loads(outcome.body), paths))


def _answer(exchange: Exchange, store: Store, shown: Obj) -> web.Response:
    """Answer with a Scale, or with its Table."""
    if exchange.form.kind == "Table":
        meta = {"resourceVersion": shown["metadata"].get("resourceVersion", "")}
        shown = to_table(
            store.resource,
            [shown],
            meta,
            include_object=transform.include_object(exchange),
            crd_columns=_COLUMNS,
            now=exchange.services.clock.now(),
            api_version=exchange.form.api_version,
        )
    return transform.plain(exchange, orjson.dumps(shown) + b"\n")


def _replace(wanted: Obj, paths: ScalePaths, name: str) -> Change:
    async def change(current: Obj | None) -> Obj:
        assert current is not None
        return _scaled(paths, current, wanted, name)

    return change


def _patch(store: Store, given: Patch, paths: ScalePaths, name: str) -> Change:
    async def change(current: Obj | None) -> Obj:
        assert current is not None
        result = patched(to_scale(current, paths), given, schema_for(_SCALE, "Scale"))
        after = as_object(result, store.resource, kind="Scale", api_version=_SCALE)
        return _scaled(paths, current, after, name)

    return change


def _apply(exchange: Exchange, store: Store, given: Patch, paths: ScalePaths) -> Change:
    """The replicas are applied to the workload itself: there they have owners, who may object."""
    resource, name = store.resource, exchange.info.name

    async def change(current: Obj | None) -> Obj:
        assert current is not None
        config = as_object(given.value, resource, kind="Scale", api_version=_SCALE, named=True)
        config["metadata"].setdefault("name", name)
        check_name(exchange, config)
        applied: Obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}}
        if "replicas" in (config.get("spec") or {}):
            apply_scale(applied, _replicas(config, name), paths)
        return apply(
            current,
            applied,
            manager=exchange.info.first("fieldManager"),
            force=exchange.info.flag("force"),
            schema=store.strategy.schema,
            subresource="scale",
            now=exchange.services.now(),
        )

    return change


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
