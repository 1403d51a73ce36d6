"""PATCH: JSON patch, merge patch, strategic merge patch, and server-side apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from apimachinery.errors import APIError, BadRequest, Conflict, Invalid, RequestEntityTooLarge, UnsupportedMediaType
from apimachinery.objects.field_path import FieldPath, forbidden, invalid, required
from apimachinery.objects.metadata import Obj
from apimachinery.patches import json_patch, merge_patch, strategic_merge
from apiserver.apply.merge import apply
from apiserver.endpoints import transform
from apiserver.endpoints.admit import RequestAdmission
from apiserver.endpoints.body import (
    apply_problems,
    as_object,
    check_depth,
    check_write_options,
    checked,
    decode,
    field_validation,
    read_body,
)
from apiserver.endpoints.create import take_namespace
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.update import check_name
from apiserver.registry.store import Change, Store

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_MOST_SHOWN = 4096


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch as sent.

    Attributes:
        media: one of the four content types.
        value: the decoded patch.
        raw: its bytes, to tell duplicate keys.
    """

    media: str
    value: Any
    raw: bytes

    @property
    def is_apply(self) -> bool:
        """Whether this is server-side apply."""
        return self.media == APPLY_PATCH


async def read_patch(exchange: Exchange, *, strategic: bool) -> Patch:
    """Return the patch in the body; `UnsupportedMediaType`, `BadRequest`."""
    media = exchange.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    supported = [JSON_PATCH, MERGE_PATCH, *([STRATEGIC_PATCH] if strategic else []), APPLY_PATCH]
    if media not in supported:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: " + ", ".join(supported)
        )
    check_write_options(exchange, "PatchOptions")
    _check_apply_options(exchange, media)
    raw = await read_body(exchange)
    value = await decode(raw, "yaml" if media == APPLY_PATCH else "json")
    if media == JSON_PATCH:
        if not isinstance(value, list):
            raise BadRequest("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
        if len(value) > 10000:
            most = f"The allowed maximum operations in a JSON patch is 10000, got {len(value)}"
            raise RequestEntityTooLarge(f"Request entity too large: {most}")
    elif not isinstance(value, dict):
        raise BadRequest("json: cannot unmarshal value into Go value of type map[string]interface {}")
    check_depth(value)
    return Patch(media, value, raw)


def _check_apply_options(exchange: Exchange, media: str) -> None:
    info = exchange.info
    errors = []
    if media == APPLY_PATCH:
        if not info.first("fieldManager"):
            errors.append(required(FieldPath("fieldManager"), "is required for apply patch"))
    elif "force" in info.query:
        errors.append(forbidden(FieldPath("force"), "may not be specified for non-apply patch"))
    if errors:
        raise Invalid.of("PatchOptions", "meta.k8s.io", "", errors)


_APPLY: dict[str, Callable[[Obj, Any, Any], Any]] = {
    JSON_PATCH: lambda current, value, _: json_patch.apply(current, value),
    MERGE_PATCH: lambda current, value, _: merge_patch.apply(current, value),
    STRATEGIC_PATCH: strategic_merge.apply,
}


def patched(current: Obj, given: Patch, schema: Any) -> Any:
    """Return a document after a (non-apply) patch."""
    return _APPLY[given.media](current, given.value, schema)


def _misfit(result: Any, error: BadRequest) -> APIError:
    """Return the error of a patch whose result is no object of its kind: upstream calls the patch invalid, not bad."""
    _, found, told = error.message.partition(" cannot be handled as a ")
    if not found:
        return error
    shown = orjson.dumps(result).decode()[:_MOST_SHOWN]
    return Invalid.of("", "", "", [invalid(FieldPath("patch"), shown, told.partition(": ")[2])])


def _change(exchange: Exchange, store: Store, given: Patch, subresource: str) -> Change:
    strategy, resource = store.strategy, store.resource

    async def change(current: Obj | None) -> Obj:
        assert current is not None
        result = patched(current, given, strategy.schema)
        try:
            new = as_object(result, resource)
            check_name(exchange, new)
            return checked(exchange, strategy, new, given.raw if given.media != JSON_PATCH else b"")
        except BadRequest as error:
            raise _misfit(result, error) from error

    async def change_by_apply(current: Obj | None) -> Obj:
        told = given.value.get("apiVersion")
        if told != resource.api_version:
            versions = f"Specified patch version: {told or ''}, expected: {resource.api_version}"
            raise BadRequest(f"Incorrect version specified in apply patch. {versions}")
        applied = as_object(given.value, resource, named=True)
        take_namespace(exchange, resource, applied)
        if applied["metadata"].get("name") is None:
            applied["metadata"]["name"] = exchange.info.name
        check_name(exchange, applied)
        if resource.namespaced:
            applied["metadata"]["namespace"] = exchange.info.namespace
        if current is None and (uid := applied["metadata"].get("uid")):
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise Conflict.of(resource, exchange.info.name, why)
        if applied["metadata"].get("managedFields"):
            raise BadRequest("metadata.managedFields must be nil")
        if field_validation(exchange) != "Ignore":
            apply_problems(exchange, strategy, applied, given.raw)
        return apply(
            current,
            strategy.decode(applied),
            manager=exchange.info.first("fieldManager"),
            force=exchange.info.flag("force"),
            schema=strategy.schema,
            subresource=subresource,
            now=exchange.services.now(),
        )

    return change_by_apply if given.is_apply else change


async def patch(exchange: Exchange, store: Store, subresource: str = "") -> web.StreamResponse:
    """Change an object by a patch and answer with the result."""
    given = await read_patch(exchange, strategic=not store.strategy.named_items)
    call = exchange.call(store.resource, subresource=subresource)
    change = _change(exchange, store, given, subresource)
    admit = RequestAdmission(exchange, store.resource, store.strategy, call)
    create = given.is_apply and not subresource
    outcome = await store.update(call, change, admit, create=create, tracked=not given.is_apply)
    return transform.one(exchange, store, outcome.body, 201 if outcome.created else 200)
