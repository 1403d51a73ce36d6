"""What in an object its kind does not know: unknown fields, duplicate fields, values of the wrong type."""

import json
from dataclasses import dataclass
from typing import Any

from apimachinery.objects.metadata import Obj
from apimachinery.schema.decode import DecodeError, decode_value
from apimachinery.schema.tables import Schema

_MOST_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """A value that does not fit.

    Attributes:
        field: The path, as `spec.replicas`.
        message: What is wrong.
    """

    field: str
    message: str


def check(obj: Obj, schema: Schema) -> list[FieldProblem]:
    """The first value of the wrong type, if there is one."""
    try:
        decode_value(obj, schema)
    except DecodeError as error:
        return [FieldProblem(".".join(reversed(error.path)), error.text)]
    return []


def unknown_fields(obj: Obj, schema: Schema) -> list[str]:
    """The paths of fields the kind does not have (`spec.containers[0].imagee`), in the object's order."""
    found: list[str] = []
    _unknown(obj, schema, "", found)
    return found[:_MOST_PROBLEMS]


def _unknown(value: Any, schema: Schema, path: str, found: list[str]) -> None:
    if type(value) is dict:
        _unknown_in_map(value, schema, path, found)
    elif type(value) is list and schema.items is not None and schema.items.plain is None:
        items = schema.items
        for position, item in enumerate(value):
            if type(item) is dict or type(item) is list:
                _unknown(item, items, f"{path}[{position}]", found)


def _unknown_in_map(value: dict[str, Any], schema: Schema, path: str, found: list[str]) -> None:
    properties = schema.properties
    if not properties and (schema.preserve_unknown or schema.special or not schema.type):
        return
    if schema.additional is not None and not properties:
        additional = schema.additional
        if additional.plain is None:
            for key, item in value.items():
                if type(item) is dict or type(item) is list:
                    _unknown(item, additional, f"{path}.{key}" if path else key, found)
        return
    keep = schema.preserve_unknown
    for key, item in value.items():
        child = properties.get(key)
        if child is None:
            if not keep:
                found.append(f"{path}.{key}" if path else key)
        elif type(item) is dict or type(item) is list:
            _unknown(item, child, f"{path}.{key}" if path else key, found)


class _Pairs(list[tuple[str, Any]]):
    """An object's fields in order, duplicates included."""


def duplicate_fields(raw: bytes) -> list[str]:
    """The paths of keys that a JSON text has twice in one object."""
    seen = False

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal seen
        made = dict(pairs)
        if len(made) != len(pairs):
            seen = True
        return made

    try:
        json.loads(raw, object_pairs_hook=once)
        if not seen:
            return []
        tree = json.loads(raw, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return []
    found: list[str] = []
    _duplicates(tree, "", found)
    return found[:_MOST_PROBLEMS]


def _duplicates(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, _Pairs):
        keys: set[str] = set()
        for key, item in value:
            where = f"{path}.{key}" if path else key
            if key in keys:
                if where not in found:
                    found.append(where)
            else:
                keys.add(key)
            _duplicates(item, where, found)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _duplicates(item, f"{path}[{position}]", found)
