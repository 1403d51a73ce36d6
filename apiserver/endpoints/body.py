"""Request bodies: read within the limit, decoded from JSON or YAML, checked against the kind the URL names."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from apimachinery.errors import BadRequest, Invalid, RequestEntityTooLarge
from apimachinery.objects.field_path import FieldPath, invalid, not_supported, too_long
from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.field_validation import duplicate_fields_error, not_declared, strict_problems
from apiserver.endpoints.negotiation import body_media
from apiserver.endpoints.yaml_body import decode_yaml, yaml_duplicates
from apiserver.registry.strategy import Strategy

MAX_BODY_BYTES = 3 * 1024 * 1024
_MAX_DEPTH = 200
_MOST_PROBLEMS = 100  # what strict decoding tells, as upstream's
_LONG_YAML = 64 * 1024


async def read_body(exchange: Exchange) -> bytes:
    """Return the raw body; `RequestEntityTooLarge`."""
    length = exchange.request.content_length
    if length is not None and length > MAX_BODY_BYTES:
        raise RequestEntityTooLarge(f"Request entity too large: limit is {MAX_BODY_BYTES}")
    transport = exchange.request.transport
    if transport is not None and exchange.request.headers.get("Expect", "").lower() == "100-continue":
        transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        exchange.body = await exchange.request.read()
    except web.RequestPayloadError as error:
        raise BadRequest(f"unable to read the request body: {error}") from error
    return exchange.body


async def decode(raw: bytes, media: str) -> Any:
    """Return the value in a body; `BadRequest` when it isn't one."""
    if media == "yaml":
        # Much YAML takes seconds, in which others are to have their turns.
        return decode_yaml(raw) if len(raw) < _LONG_YAML else await asyncio.to_thread(decode_yaml, raw)
    if media == "protobuf":
        from apiserver.protobuf.decode import decode as decode_protobuf

        return decode_protobuf(raw)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if not raw.strip():
            raise BadRequest("unexpected end of JSON input") from error
        raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from error


def doubled_keys(raw: bytes) -> list[str]:
    """Return what is to be said of keys that occur twice, in JSON or YAML."""
    if not raw:
        return []
    if raw.lstrip()[:1] in (b"{", b"["):
        try:
            return strict_problems((), raw)
        except ValueError:
            pass  # YAML may begin with a brace, too
    return yaml_duplicates(raw)


def check_depth(value: Any) -> None:
    """Refuse values nested so deeply that walking them would end badly."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise BadRequest(f"the object is nested more than {_MAX_DEPTH} levels deep")


def as_object(value: Any, resource: Resource, *, kind: str = "", api_version: str = "", named: bool = False) -> Obj:
    """Check that a value is an object of the expected kind.

    Missing apiVersion and kind are taken from the URL, unless `named` (custom resources must tell them).
    """
    if not isinstance(value, dict):
        raise BadRequest(
            "couldn't get version/kind; json parse error: json: cannot unmarshal value into Go value of type object"
        )
    check_depth(value)
    kind, api_version = kind or resource.kind, api_version or resource.api_version
    told_kind, told_version = value.get("kind"), value.get("apiVersion")
    if named and not (told_kind and told_version):
        raise BadRequest(f"Object 'Kind' is missing in '{orjson.dumps(value)[:200].decode(errors='replace')}'")
    if named:
        _check_identity(value, resource, kind, api_version)
    if (told_kind and told_kind != kind) or (told_version and told_version != api_version):
        raise BadRequest(
            f"{told_kind} in version {_quoted(told_version)} cannot be handled as a {kind}: "
            f"expected {api_version}, Kind={kind}"
        )
    metadata = value.get("metadata")
    if metadata is None:
        value["metadata"] = {}
    elif not isinstance(metadata, dict):
        raise BadRequest(
            f"{kind} in version {_quoted(api_version)} cannot be handled as a {kind}: metadata must be an object"
        )
    return value


def _check_identity(value: Obj, resource: Resource, kind: str, api_version: str) -> None:
    """Check what a custom resource says it is."""
    told_kind, told_version = value["kind"], value["apiVersion"]
    if told_version != api_version:
        expected = f"does not match the expected API version ({api_version})"
        raise BadRequest(f"the API version in the data ({told_version}) {expected}")
    if told_kind != kind:
        metadata = value.get("metadata")
        name = metadata.get("name", "") if isinstance(metadata, dict) else ""
        problem = invalid(FieldPath("kind"), told_kind, f"must be {kind}")
        raise Invalid.of(str(told_kind), resource.group, str(name), [problem])


def _quoted(text: Any) -> str:
    return '"' + str(text).rpartition("/")[2] + '"'


def checked(exchange: Exchange, strategy: Strategy, obj: Obj, raw: bytes = b"") -> Obj:
    """Check types, apply `fieldValidation`, and drop what the kind doesn't have."""
    mode = field_validation(exchange)
    if mode != "Ignore":
        problems = [*strict_problems(strategy.unknown_fields(obj)), *doubled_keys(raw)][:_MOST_PROBLEMS]
        if problems and mode == "Strict":
            raise duplicate_fields_error(obj, problems)
        exchange.warnings.extend(problems)
    return strategy.decode(obj)


def field_validation(exchange: Exchange) -> str:
    """Return the fieldValidation mode asked for: Warn unless told otherwise."""
    return exchange.info.first("fieldValidation") or "Warn"


def check_write_options(exchange: Exchange, kind: str) -> None:
    """Refuse query options of a write that mean nothing."""
    query = exchange.info.query
    if not query:
        return
    errors = []
    dry_run = query.get("dryRun", [])
    if any(value != "All" for value in dry_run):
        errors.append(not_supported(FieldPath("dryRun"), dry_run, ("All",)))
    mode = exchange.info.first("fieldValidation")
    if mode not in ("", "Ignore", "Warn", "Strict"):
        errors.append(not_supported(FieldPath("fieldValidation"), mode, ("", "Ignore", "Strict", "Warn")))
    manager = exchange.info.first("fieldManager")
    if len(manager) > 128:
        errors.append(too_long(FieldPath("fieldManager"), manager, 128))
    elif not manager.isprintable():
        errors.append(invalid(FieldPath("fieldManager"), manager, "should only contain printable characters"))
    if errors:
        raise Invalid.of(kind, "meta.k8s.io", "", errors)


async def read_object(exchange: Exchange, resource: Resource, strategy: Strategy) -> Obj:
    """Return the body as a checked object of a resource."""
    raw = await read_body(exchange)
    media = body_media(exchange.request.headers.get("Content-Type", ""))
    obj = as_object(await decode(raw, media), resource, named=strategy.named_items)
    return checked(exchange, strategy, obj, b"" if media == "protobuf" else raw)


def apply_problems(exchange: Exchange, strategy: Strategy, obj: Obj, raw: bytes) -> None:
    """Tell unknown fields of an applied configuration in the words of the schema, as upstream does."""
    doubled = doubled_keys(raw)
    if doubled and field_validation(exchange) == "Strict":
        told = "\n".join(f"  {one}" for one in doubled)
        raise BadRequest(f"error decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n{told}")
    exchange.warnings.extend(doubled)
    unknown = strategy.unknown_fields(obj)
    if not unknown:
        return
    problems = not_declared(unknown)
    if field_validation(exchange) == "Strict":
        space = f"{exchange.info.namespace}/" if exchange.info.namespace else ""
        what = f"{space}{obj['metadata'].get('name', '')}; {obj.get('apiVersion')}, Kind={obj.get('kind', '')}"
        raise BadRequest(f"failed to create typed patch object ({what}): {problems[0]}")
    exchange.warnings.extend(problems)
