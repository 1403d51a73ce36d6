"""`fieldPath` of CEL rules: which field a rule's failure is told of (pure)."""

from __future__ import annotations

import re
from typing import Final

from apimachinery.objects.field_path import FieldPath
from apimachinery.objects.metadata import Obj

_PART: Final = re.compile(r"\.(?P<name>[^.\[\]]+)|\['(?P<key>(?:[^'\\]|\\.)*)'\]")
_ESCAPES: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


def _unescaped(key: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), key)


def below(path: FieldPath, field: str) -> FieldPath:
    """Return the place a field path leads to from a level."""
    for match in _PART.finditer(field):
        path = path.child(match["name"]) if match["name"] else path.key(_unescaped(match["key"]))
    return path


def problem(field: str, schema: Obj) -> str:
    """Tell what is wrong with a field path for a level, "" for nothing."""
    end = 0
    for match in _PART.finditer(field):
        if match.start() != end:
            break
        end = match.end()
        name = match["name"] or _unescaped(match["key"])
        properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
        if name in properties:
            schema = properties[name]
        elif not properties and isinstance(additional, dict):
            schema = additional
        else:
            return "does not refer to a valid field"
    return "" if end == len(field) else f"expected [ or . but got: {field[end:]}"
