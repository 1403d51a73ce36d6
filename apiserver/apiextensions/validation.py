"""Validates custom resources against their OpenAPI schema, worded as upstream (pure).

An update is ratcheted: what was invalid before and is not touched stays allowed.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from apimachinery.objects import field_path
from apimachinery.objects.field_path import FieldError, FieldPath
from apimachinery.objects.metadata import Obj
from apimachinery.schema.decode import DecodeError, decode_value
from apimachinery.schema.tables import object_meta
from apiserver.apiextensions import pattern
from apiserver.apiextensions.correlation import MISSING, earlier_items, same

_MOST: Final = 100
_DURATION: Final = re.compile(r"-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+|0")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_HOST: Final = re.compile(
    r"([A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*"
)
_UUID: Final = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)


def _parses(function: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            function(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _date_time(text: str) -> None:
    if len(text) < 19 or text[10] not in "tT ":
        raise ValueError(text)
    if datetime.datetime.fromisoformat(text.upper()).tzinfo is None:
        raise ValueError(text)


def _uri(text: str) -> None:
    from urllib.parse import urlsplit

    if not urlsplit(text).scheme and not text.startswith("/"):
        raise ValueError(text)


FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "byte": _parses(lambda text: base64.b64decode(text, validate=True)),
    "cidr": _parses(lambda text: ipaddress.ip_network(text, strict=False)),
    "date": _parses(datetime.date.fromisoformat),
    "date-time": _parses(_date_time),
    "datetime": _parses(_date_time),
    "duration": lambda text: bool(_DURATION.fullmatch(text)),
    "email": lambda text: bool(_EMAIL.fullmatch(text)),
    "hostname": lambda text: bool(_HOST.fullmatch(text)) and len(text) < 256,
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "uri": _parses(_uri),
    "uuid": lambda text: bool(_UUID.fullmatch(text)),
}


def type_of(value: Any) -> str:
    """Return the JSON schema type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    kinds: dict[type, str] = {int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return kinds[type(value)]


def _fits(kind: str, value: Any) -> bool:
    found = type_of(value)
    if kind == "number":
        return found in ("number", "integer")
    if kind == "integer":
        return found == "integer" or (found == "number" and float(value).is_integer())
    return kind == found


def _type_error(path: FieldPath, where: str, kind: str, value: Any) -> FieldError:
    found = type_of(value)
    return field_path.invalid(path, found, f'{where} in body must be of type {kind}: "{found}"')


def validate(value: Any, schema: Obj, path: FieldPath, old: Any = MISSING) -> list[FieldError]:
    """Return what is wrong with a value (at most a hundred problems).

    Args:
        value: the new value.
        schema: what it should be.
        path: where it stands.
        old: the value it replaces; what did not change is not judged.
    """
    out: list[FieldError] = []
    for problem in _validate(value, schema, path, old):
        out.append(problem)
        if len(out) >= _MOST:
            break
    return out


def _validate(value: Any, schema: Obj, path: FieldPath, old: Any = MISSING) -> Iterator[FieldError]:
    where = path.text
    if value is None and schema.get("nullable"):
        return
    if old is not MISSING and same(old, value):
        return
    kind = schema.get("type", "")
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, (int, str)) or isinstance(value, bool):
            yield _type_error(path, where, "integer,string", value)
            return
    elif kind and not _fits(kind, value):
        yield _type_error(path, where, kind, value)
        return
    if "enum" in schema and value not in schema["enum"]:
        listed = ", ".join(json.dumps(one) for one in schema["enum"])
        yield FieldError("FieldValueNotSupported", str(path), value, f"supported values: {listed}")
    if isinstance(value, str):
        yield from _string(value, schema, path, where)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number(value, schema, path, where)
    elif isinstance(value, list):
        yield from _list(value, schema, path, old)
    elif isinstance(value, dict):
        yield from _object(value, schema, path, old)
    yield from _combined(value, schema, path, where)


def _string(value: str, schema: Obj, path: FieldPath, where: str) -> Iterator[FieldError]:
    most, least = schema.get("maxLength"), schema.get("minLength")
    if most is not None and len(value) > most:
        yield field_path.too_long(path, value, most)
    if least is not None and len(value) < least:
        yield field_path.invalid(path, value, f"{where} in body should be at least {least} chars long")
    wanted = schema.get("pattern")
    if wanted and not pattern.matcher(wanted)(value):
        yield field_path.invalid(path, value, f"{where} in body should match '{wanted}'")
    name = schema.get("format")
    check = FORMATS.get(name) if name else None
    if check is not None and not check(value):
        yield field_path.invalid(path, value, f'{where} in body must be of type {name}: "{value}"')


def _number(value: float, schema: Obj, path: FieldPath, where: str) -> Iterator[FieldError]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None:
        if schema.get("exclusiveMinimum"):
            if value <= least:
                yield field_path.invalid(path, value, f"{where} in body should be greater than {least}")
        elif value < least:
            yield field_path.invalid(path, value, f"{where} in body should be greater than or equal to {least}")
    if most is not None:
        if schema.get("exclusiveMaximum"):
            if value >= most:
                yield field_path.invalid(path, value, f"{where} in body should be less than {most}")
        elif value > most:
            yield field_path.invalid(path, value, f"{where} in body should be less than or equal to {most}")
    step = schema.get("multipleOf")
    if step and (value / step) % 1:
        yield field_path.invalid(path, value, f"{where} in body should be a multiple of {step}")
    name = schema.get("format")
    if name == "int32" and not -(2**31) <= value < 2**31:
        yield field_path.invalid(path, value, f"{where} in body must be of type int32: {json.dumps(str(value))}")


def _list(value: list[Any], schema: Obj, path: FieldPath, old: Any) -> Iterator[FieldError]:
    where = path.text
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        yield field_path.too_many(path, len(value), most)
    if least is not None and len(value) < least:
        yield field_path.invalid(path, len(value), f"{where} in body should have at least {least} items")
    items = schema.get("items")
    if isinstance(items, dict):
        for position, (item, was) in enumerate(zip(value, earlier_items(value, old, schema), strict=True)):
            yield from _validate(item, items, path.index(position), was)


def _unique(value: Any, schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    """Yield the duplicates in all `set` and `map` lists of a value."""
    if isinstance(value, list):
        if schema.get("x-kubernetes-list-type") in ("set", "map"):
            yield from _duplicates(value, schema, path)
        items = schema.get("items")
        if isinstance(items, dict) and _has_lists(items):
            for position, item in enumerate(value):
                yield from _unique(item, items, path.index(position))
    elif isinstance(value, dict):
        properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, item in value.items():
            below = properties.get(name, additional)
            if isinstance(below, dict):
                yield from _unique(item, below, path.child(name) if name in properties else path.key(name))


def _has_lists(schema: Obj) -> bool:
    return schema.get("type") in ("array", "object")


def _duplicates(value: list[Any], schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    properties = (schema.get("items") or {}).get("properties") or {}
    seen: set[str] = set()
    for position, item in enumerate(value):
        shown = item
        if keys and isinstance(item, dict):
            shown = {key: item.get(key, (properties.get(key) or {}).get("default")) for key in keys}
        mark = json.dumps(shown, sort_keys=True)
        if mark in seen:
            yield field_path.duplicate(path.index(position), shown)
        seen.add(mark)


def _object(value: Obj, schema: Obj, path: FieldPath, old: Any) -> Iterator[FieldError]:
    where = path.text
    for name in schema.get("required") or ():
        if name not in value:
            yield field_path.required(path.child(name))
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        yield field_path.too_many(path, len(value), most)
    if least is not None and len(value) < least:
        yield field_path.invalid(path, len(value), f"{where} in body should have at least {least} properties")
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    for name, item in value.items():
        below = properties.get(name)
        was = old.get(name, MISSING) if isinstance(old, dict) else MISSING
        if below is not None:
            yield from _validate(item, below, path.child(name), was)
        elif isinstance(additional, dict):
            yield from _validate(item, additional, path.key(name) if properties else path.child(name), was)
    if schema.get("x-kubernetes-embedded-resource"):
        yield from _embedded(value, path)


def _embedded(value: Obj, path: FieldPath) -> Iterator[FieldError]:
    for name in ("apiVersion", "kind"):
        given = value.get(name)
        if not given:
            yield field_path.required(path.child(name), "must not be empty")
        elif not isinstance(given, str):
            yield field_path.invalid(path.child(name), given, "must be a string")
    try:
        decode_value(value.get("metadata") or {}, object_meta())
    except DecodeError as error:
        yield field_path.invalid(path.child("metadata"), value["metadata"], error.text)


def _combined(value: Any, schema: Obj, path: FieldPath, where: str) -> Iterator[FieldError]:
    for part in schema.get("allOf") or ():
        yield from _validate(value, part, path)
    quoted = json.dumps(where)
    shown = "" if isinstance(value, (dict, list)) else value
    if schema.get("anyOf"):
        failures = [list(_validate(value, part, path)) for part in schema["anyOf"]]
        if all(failures):
            yield field_path.invalid(path, shown, f"{quoted} must validate at least one schema (anyOf)")
            yield from min(failures, key=len)
    if schema.get("oneOf"):
        failures = [list(_validate(value, part, path)) for part in schema["oneOf"]]
        passed = sum(1 for failure in failures if not failure)
        if passed != 1:
            found = "Found none valid" if not passed else f"Found {passed} valid alternatives"
            yield field_path.invalid(path, shown, f"{quoted} must validate one and only one schema (oneOf). {found}")
            if not passed:
                yield from min(failures, key=len)
    if schema.get("not") and not list(_validate(value, schema["not"], path)):
        yield field_path.invalid(path, shown, f"{quoted} must not validate the schema (not)")


def validate_root(obj: Obj, schema: Obj | None, old: Obj | None = None) -> list[FieldError]:
    """Validate a whole object (its metadata is checked elsewhere).

    Args:
        obj: the new object.
        schema: the version's schema.
        old: the stored object of an update.
    """
    if not schema:
        return []
    if "metadata" in (schema.get("properties") or {}):
        # Only name and generateName may be restricted, and only by value.
        schema = {
            **schema,
            "properties": {**schema["properties"], "metadata": _loose(schema["properties"]["metadata"])},
        }
    out = validate(obj, schema, FieldPath(), MISSING if old is None else old)
    repeated = list(_unique(obj, schema, FieldPath()))
    if repeated and (old is None or next(_unique(old, schema, FieldPath()), None) is None):
        out += repeated[: _MOST - len(out)]
    return out


def _loose(metadata: Obj) -> Obj:
    properties = metadata.get("properties") or {}
    kept = {name: part for name, part in properties.items() if name in ("name", "generateName")}
    return {"type": "object", "properties": kept}
