"""LIST: bodies joined, pages cut from one snapshot."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from apimachinery.errors import BadRequest, Expired, Invalid
from apimachinery.objects.field_path import FieldPath, forbidden, not_supported
from apiserver.endpoints import transform
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.selection import selection
from apiserver.endpoints.versions import parse_version, wait_for_version
from apiserver.filters.request_info import RequestInfo
from apiserver.registry.store import Store
from apiserver.storage.cache.entry import Entry
from apiserver.storage.cache.subscriber import Selection
from apiserver.storage.errors import RevisionCompactedError

_TOKEN_VERSION = "meta.k8s.io/v1"
_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of the objects at which revision (revision 0: now; -1 in a token: whatever is now)."""

    revision: int = 0
    start: str = ""
    limit: int = 0


def encode_token(revision: int, start: str) -> str:
    """Return a continue token: list on after key `start` at a revision."""
    raw = orjson.dumps({"v": _TOKEN_VERSION, "rv": revision, "start": start})
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_token(token: str) -> tuple[int, str]:
    """Return (revision, start) of a continue token; `BadRequest`."""
    try:
        value = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        version, revision, start = value["v"], value["rv"], value["start"]
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise BadRequest(f"continue key is not valid: {error}") from error
    if version != _TOKEN_VERSION or not isinstance(start, str) or not start or type(revision) is not int:
        raise BadRequest("continue key is not valid")
    if revision == 0 or revision < -1:
        raise BadRequest("continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    return revision, start


def _check_match(info: RequestInfo) -> None:
    match = info.first("resourceVersionMatch")
    version = info.first("resourceVersion")
    path = FieldPath("resourceVersionMatch")
    errors = []
    if match:
        if match not in ("Exact", "NotOlderThan"):
            errors.append(not_supported(path, match, ("Exact", "NotOlderThan", "")))
        if not version:
            errors.append(forbidden(path, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
        if info.first("continue"):
            errors.append(forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
        if match == "Exact" and version == "0":
            errors.append(forbidden(path, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    if info.first("sendInitialEvents"):
        detail = "sendInitialEvents is forbidden for list"
        errors.append(forbidden(FieldPath("sendInitialEvents"), detail))
    if errors:
        raise Invalid.of("ListOptions", "meta.k8s.io", "", errors)


def _limit(info: RequestInfo) -> int:
    text = info.first("limit")
    if not text:
        return 0
    try:
        return max(0, int(text))
    except ValueError as error:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


async def _window(exchange: Exchange) -> Window:
    """Work out what part is asked for, waiting until the cache has it."""
    info = exchange.info
    _check_match(info)
    version, token, limit = info.first("resourceVersion"), info.first("continue"), _limit(info)
    if token:
        if version and version != "0":
            raise BadRequest("specifying resource version is not allowed when using continue")
        revision, start = decode_token(token)
        if revision < 0:
            await exchange.services.cached.ensure_fresh()
            return Window(0, start, limit)
        return Window(revision, start, limit)
    await wait_for_version(exchange, version)
    exact = info.first("resourceVersionMatch") == "Exact"
    if exact:
        return Window(parse_version(version), "", limit)
    return Window(0, "", 0 if version == "0" else limit)


async def _range(exchange: Exchange, store: Store, window: Window, prefix: str) -> tuple[list[Entry], int]:
    """Return all entries of the key range at the window's revision, and that revision."""
    cached = exchange.services.cached
    if not window.revision or window.revision == cached.revision:
        return store.cache.select(prefix), cached.revision
    try:
        return await cached.list_at(store.directory, prefix, window.revision), window.revision
    except RevisionCompactedError as error:
        if window.start:
            raise Expired(_EXPIRED, continue_token=encode_token(-1, window.start)) from error
        raise Expired("The resourceVersion for the provided list is too old.") from error


async def list_objects(exchange: Exchange, store: Store) -> web.StreamResponse:
    """Answer with a list."""
    chosen = selection(exchange.info, store)
    window = await _window(exchange)
    if chosen.key:
        entries, revision = await _range(exchange, store, window, chosen.prefix) if window.revision else ([], 0)
        if not window.revision:
            entry = store.cache.entries.get(chosen.key)
            entries, revision = ([entry] if entry is not None else []), exchange.services.cached.revision
        entries = [entry for entry in entries if entry.key == chosen.key]
    else:
        entries, revision = await _range(exchange, store, window, chosen.prefix)
    if chosen.fields is not None and store.strategy.fields_ready is not None:
        await store.strategy.fields_ready(entries)
    page, meta = _page(exchange, store, entries, revision, window, chosen)
    if exchange.form.kind:
        return await _transformed(exchange, store, page, meta)
    return transform.plain(exchange, await encode_list(store, page, meta))


def _page(
    exchange: Exchange, store: Store, entries: list[Entry], revision: int, window: Window, chosen: Selection
) -> tuple[list[Entry], dict[str, Any]]:
    """Cut the page out of the range; pin the range when there is more to come."""
    meta: dict[str, Any] = {"resourceVersion": str(revision)}
    selective = chosen.labels is not None or chosen.fields is not None
    start = 0
    if window.start:
        start = next((index for index, entry in enumerate(entries) if entry.key > window.start), len(entries))
    if not window.limit:
        rest = entries[start:] if start else entries
        return chosen.filtered(rest), meta
    page: list[Entry] = []
    index = start
    while index < len(entries) and len(page) < window.limit:
        if not selective or chosen.matches(entries[index]):
            page.append(entries[index])
        index += 1
    if index < len(entries):
        exchange.services.cached.snapshots.pin(store.directory, chosen.prefix, revision, entries)
        meta["continue"] = encode_token(revision, entries[index - 1].key)
        if not selective:
            meta["remainingItemCount"] = len(entries) - index
    return page, meta


async def encode_list(store: Store, entries: list[Entry], meta: dict[str, Any]) -> bytes:
    """Join bodies into a list. Items of custom resources carry their kind, those of built-in ones don't (upstream)."""
    resource = store.resource
    head = b'{"kind":%s,"apiVersion":%s,"metadata":%s,"items":[' % (
        orjson.dumps(resource.list_kind),
        orjson.dumps(resource.api_version),
        orjson.dumps(meta),
    )
    if not entries:
        return head + b"]}\n"
    opening = store.header if store.strategy.named_items else b"{"
    return b"".join((head, opening, (b"," + opening).join(await store.bodies(entries)), b"]}\n"))


async def _transformed(
    exchange: Exchange, store: Store, entries: list[Entry], meta: dict[str, Any]
) -> web.StreamResponse:
    objs = [orjson.loads(store.header + body) for body in await store.bodies(entries)]
    if exchange.form.kind == "Table":
        result = transform.table(exchange, store, objs, meta)
    else:
        result = {
            "kind": "PartialObjectMetadataList",
            "apiVersion": exchange.form.api_version,
            "metadata": meta,
            "items": [transform.partial(obj, exchange.form.api_version) for obj in objs],
        }
    return transform.plain(exchange, orjson.dumps(result) + b"\n")
