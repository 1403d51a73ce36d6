"""Validates that the schemas of CRDs are structural (KEP-2337), worded as upstream (pure).

Structural means: a type at every level that is named, nothing under the logical junctors but values, so that pruning
and defaulting know what each field is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from apimachinery.objects.field_path import FieldError, FieldPath, forbidden, invalid, not_supported, required
from apimachinery.objects.metadata import Obj
from apiserver.apiextensions import pattern, structural, validation

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_SCALARS: Final = ("boolean", "integer", "number", "string")
_JUNCTORS: Final = ("allOf", "anyOf", "oneOf")
_NEVER: Final = ("id", "$ref", "additionalItems", "patternProperties", "definitions", "dependencies")
# What must stand outside of the logical junctors: what it may be inside of them.
_ONLY_OUTSIDE: Final = {
    **dict.fromkeys(
        ("description", "default", "type", "title", "additionalProperties"), "must be empty to be structural"
    ),
    "nullable": "must be false to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    **dict.fromkeys(
        ("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"),
        "must be empty to be structural",
    ),
}
_EXTENSIONS: Final = (
    ("x-kubernetes-list-type", "array", ("atomic", "map", "set")),
    ("x-kubernetes-map-type", "object", ("atomic", "granular")),
)
_KEEPS: Final = "x-kubernetes-preserve-unknown-fields"
_EITHER: Final = "x-kubernetes-int-or-string"
_EMBEDDED: Final = "x-kubernetes-embedded-resource"
_OF_METADATA: Final = frozenset({"type", "description", "properties"})


def problems(schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    """Yield what is wrong with a version's schema."""
    kind = schema.get("type")
    if not kind:
        yield required(path.child("type"), "must not be empty at the root")
    elif kind != "object":
        yield invalid(path.child("type"), kind, "must be object at the root")
    if schema.get("nullable"):
        yield forbidden(path.child("nullable"), "nullable cannot be true at the root")
    yield from _identity(schema, path)
    yield from _level(schema, path)


def _identity(schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    """Check what a whole object may say of its own apiVersion, kind and metadata."""
    properties = schema.get("properties") or {}
    for name in ("apiVersion", "kind"):
        kind = (properties.get(name) or {}).get("type", "string")
        if kind != "string":
            yield invalid(path.child("properties").key(name).child("type"), kind, "must be string")
    metadata = properties.get("metadata")
    if metadata is None:
        return
    where = path.child("properties").key("metadata")
    if metadata.get("type") and metadata["type"] != "object":
        yield invalid(where.child("type"), metadata["type"], "must be object")
    if set(metadata) - _OF_METADATA or set(metadata.get("properties") or ()) - {"name", "generateName"}:
        told = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield forbidden(where, told)


def _open(schema: Obj) -> bool:
    return bool(schema.get(_KEEPS) or schema.get(_EITHER))


def _typed(schema: Any, path: FieldPath, what: str) -> Iterator[FieldError]:
    if not isinstance(schema, dict):
        return
    if not schema.get("type") and not _open(schema) and not schema.get(_EMBEDDED):
        yield required(path.child("type"), f"must not be empty for specified {what}")
    yield from _level(schema, path)


def _level(schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    kind = schema.get("type")
    if kind == "null":
        yield forbidden(path.child("type"), "type cannot be set to null, use nullable as an alternative")
    elif kind and kind not in _TYPES:
        yield not_supported(path.child("type"), kind, _TYPES)
    for name in _NEVER:
        if schema.get(name) is not None:
            yield forbidden(path.child(name), f"{name} is not supported")
    if schema.get("uniqueItems"):
        told = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(path.child("uniqueItems"), told)
    yield from _extensions(schema, path)
    if schema.get("pattern"):
        wrong = pattern.problem(schema["pattern"])
        if wrong:
            told = f"must be a valid regular expression, but isn't: {wrong}"
            yield invalid(path.child("pattern"), schema["pattern"], told)
    yield from _below(schema, path)
    yield from _junctors(schema, path)
    if "default" in schema:
        yield from _default(schema, path)


def _below(schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    properties, additional, items = schema.get("properties"), schema.get("additionalProperties"), schema.get("items")
    if properties and additional is not None and additional is not False:
        yield forbidden(path.child("additionalProperties"), "additionalProperties and properties are mutual exclusive")
    if additional is False:
        yield forbidden(path.child("additionalProperties"), "additionalProperties cannot be set to false")
    if isinstance(items, list):
        yield forbidden(path.child("items"), "items must be a schema object and not an array")
    if schema.get("type") == "array":
        if items is None:
            yield required(path.child("items"), "must be specified")
        yield from _list_type(schema, path)
    for name, part in (properties or {}).items():
        yield from _typed(part, path.child("properties").key(name), "object fields")
    yield from _typed(additional, path.child("additionalProperties"), "object fields")
    yield from _typed(items, path.child("items"), "array items")


def _extensions(schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    kind = schema.get("type")
    if schema.get(_KEEPS) is False:
        yield invalid(path.child(_KEEPS), value=False, detail="must be true or undefined")
    if schema.get(_EITHER):
        if kind:
            yield invalid(path.child("type"), kind, f"must be empty if {_EITHER} is true")
        for name in (_KEEPS, _EMBEDDED):
            if schema.get(name):
                yield invalid(path.child(name), value=True, detail=f"must be false if {_EITHER} is true")
    if schema.get(_EMBEDDED):
        yield from _must_be(schema, path, "object", f"must be object if {_EMBEDDED} is true")
        if schema.get("additionalProperties"):
            yield forbidden(path.child("additionalProperties"), f"must not be used if {_EMBEDDED} is set")
        elif not schema.get("properties") and not schema.get(_KEEPS):
            yield required(path.child("properties"), f"must not be empty if {_EMBEDDED} is true without {_KEEPS}")
        yield from _identity(schema, path)
    for name, wanted, values in _EXTENSIONS:
        if schema.get(name) is None:
            continue
        yield from _must_be(schema, path, wanted, f"must be {wanted} if {name} is specified")
        if schema[name] not in values:
            yield not_supported(path.child(name), schema[name], values)
    if schema.get("x-kubernetes-list-map-keys"):
        told = "must be map if x-kubernetes-list-map-keys is non-empty"
        kind, where = schema.get("x-kubernetes-list-type"), path.child("x-kubernetes-list-type")
        if kind is None:
            yield required(where, told)
        elif kind != "map":
            yield invalid(where, kind, told)


def _must_be(schema: Obj, path: FieldPath, kind: str, told: str) -> Iterator[FieldError]:
    found = schema.get("type")
    if not found:
        yield required(path.child("type"), told)
    elif found != kind:
        yield invalid(path.child("type"), found, told)


def _list_type(schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    kind, items = schema.get("x-kubernetes-list-type"), schema.get("items")
    if kind not in ("map", "set") or not isinstance(items, dict):
        return
    if items.get("nullable"):
        yield forbidden(path.child("items", "nullable"), f"cannot be nullable when x-kubernetes-list-type is {kind}")
    if kind == "map":
        yield from _map_list(schema, items, path)
        return
    inner = items.get("type")
    for name, of, _ in _EXTENSIONS:
        # An item of a set is compared as a whole.
        if inner == of and items.get(name, "" if of == "object" else "atomic") != "atomic":
            told = "must be atomic as item of a list with x-kubernetes-list-type=set"
            where = path.child("items", name)
            yield required(where, told) if items.get(name) is None else invalid(where, items[name], told)


def _map_list(schema: Obj, items: Obj, path: FieldPath) -> Iterator[FieldError]:
    keys = schema.get("x-kubernetes-list-map-keys") or []
    where = path.child("x-kubernetes-list-map-keys")
    if not keys:
        yield required(where, "must not be empty if x-kubernetes-list-type is map")
    yield from _must_be(
        items, path.child("items"), "object", "must be object if parent array's x-kubernetes-list-type is map"
    )
    if len(set(keys)) != len(keys):
        yield invalid(where, keys, "must not contain duplicate entries")
    properties, needed = items.get("properties") or {}, items.get("required") or ()
    for key in dict.fromkeys(keys):
        if key not in properties:
            yield invalid(where, keys, "entries must all be names of item properties")
            continue
        of = path.child("items", "properties").key(key)
        kind = properties[key].get("type")
        if kind not in _SCALARS and not properties[key].get(_EITHER):
            told = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield invalid(of.child("type"), kind or "", told)
        if key not in needed and "default" not in properties[key]:
            told = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield required(of.child("default"), told)


def _junctors(schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    parts = [(path.child(j).index(i), part) for j in _JUNCTORS for i, part in enumerate(schema.get(j) or ())]
    if schema.get("not"):
        parts.append((path.child("not"), schema["not"]))
    for where, part in parts:
        yield from _nested(part, where, schema, path)


def _nested(part: Obj, where: FieldPath, spine: Obj, path: FieldPath) -> Iterator[FieldError]:
    """Check a level inside of a junctor, and that what it names stands outside, too (on the spine)."""
    either = spine.get(_EITHER)
    for field, told in _ONLY_OUTSIDE.items():
        # int-or-string is written as anyOf of two types.
        if part.get(field) and not (field == "type" and either):
            yield forbidden(where.child(field), told)
    for name, below in (part.get("properties") or {}).items():
        outside = (spine.get("properties") or {}).get(name)
        at, there = where.child("properties").key(name), path.child("properties").key(name)
        if outside is None and spine.get("additionalProperties") is None:
            yield required(there, f"because it is defined in {at}")
        else:
            yield from _nested(below, at, outside or {}, there)
    if isinstance(part.get("items"), dict):
        outside = spine.get("items")
        if not isinstance(outside, dict):
            yield required(path.child("items"), f"because it is defined in {where.child('items')}")
        else:
            yield from _nested(part["items"], where.child("items"), outside, path.child("items"))
    parts = [(where.child(j).index(i), one) for j in _JUNCTORS for i, one in enumerate(part.get(j) or ())]
    if part.get("not"):
        parts.append((where.child("not"), part["not"]))
    for at, one in parts:
        yield from _nested(one, at, spine, path)


def _default(schema: Obj, path: FieldPath) -> Iterator[FieldError]:
    value = schema["default"]
    if value is None and not schema.get("nullable"):
        yield invalid(path.child("default"), "null", "must not be null")
        return
    if structural.pruned(value, schema) != value:
        yield invalid(path.child("default"), value, "must not have unknown fields")
        return
    for problem in validation.validate(value, schema, FieldPath("default")):
        yield FieldError(problem.type, f"{path}.{problem.field}", problem.bad_value, problem.detail)
