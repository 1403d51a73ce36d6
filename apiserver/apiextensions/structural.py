"""Structural schemas: what a custom resource's shape means for pruning and defaulting (pure).

`compile_schema` turns `openAPIV3Schema` into nodes once per CRD version; what a subtree has no use for (no defaults,
nothing to prune) is skipped when an object is walked.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apimachinery.schema.decode import DecodeError, decode_value
from apimachinery.schema.tables import object_meta

_EVERYTHING: Final[Obj] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class Node:
    """One level of a schema."""

    __slots__ = (
        "additional",
        "default",
        "embedded",
        "has_default",
        "items",
        "keeps_all",
        "nullable",
        "preserve",
        "properties",
        "raw",
        "some_default",
        "type",
    )

    def __init__(self, raw: Obj, *, root: bool = False) -> None:
        self.raw = raw
        self.type: str = raw.get("type", "")
        self.nullable = bool(raw.get("nullable"))
        self.preserve = bool(raw.get("x-kubernetes-preserve-unknown-fields"))
        self.embedded = root or bool(raw.get("x-kubernetes-embedded-resource"))
        self.has_default = "default" in raw
        self.default: Any = raw.get("default")
        self.properties = {name: Node(part) for name, part in (raw.get("properties") or {}).items()}
        items, additional = raw.get("items"), raw.get("additionalProperties")
        self.items = Node(items) if isinstance(items, dict) else None
        self.additional = Node(additional) if isinstance(additional, dict) else None
        if additional is True:
            self.additional = Node({"x-kubernetes-preserve-unknown-fields": True})
        children = [*self.properties.values(), *(part for part in (self.items, self.additional) if part is not None)]
        self.some_default: bool = self.has_default or any(child.some_default for child in children)
        scalar = self.type not in ("object", "array", "") or bool(raw.get("x-kubernetes-int-or-string"))
        self.keeps_all: bool = not self.embedded and (
            scalar
            or (self.preserve and not children)
            or (self.type == "array" and (self.items is None or self.items.keeps_all))
        )


def compile_schema(openapi: Obj | None) -> Node:
    """Make the nodes of a CRD version; no schema keeps everything. What the root has by nature is left out."""
    raw = dict(openapi or _EVERYTHING)
    own = raw.get("properties") or {}
    raw["properties"] = {name: part for name, part in own.items() if name not in ("apiVersion", "kind", "metadata")}
    return Node(raw, root=True)


def prune(value: Any, node: Node) -> Any:
    """Drop, in place, what the schema does not name, and nulls it doesn't allow; returns the value."""
    if node.keeps_all:
        return value
    if isinstance(value, list):
        if node.items is not None:
            for item in value:
                prune(item, node.items)
        return value
    if not isinstance(value, dict):
        return value
    if node.embedded and isinstance(value.get("metadata"), dict):
        value["metadata"] = _metadata(value["metadata"])
    properties, additional = node.properties, node.additional
    for key in list(value):
        child = properties.get(key, additional)
        if value[key] is None and child is not None and not child.nullable and not child.has_default:
            # A null where none is allowed is nothing.
            if not (node.embedded and key == "metadata"):
                del value[key]
        elif key in properties and child is not None:
            if not (node.embedded and key in ("apiVersion", "kind", "metadata")):
                prune(value[key], child)
        elif node.embedded and key in ("apiVersion", "kind", "metadata"):
            continue
        elif additional is not None:
            prune(value[key], additional)
        elif not node.preserve:
            del value[key]
    return value


def _metadata(meta: Obj) -> Obj:
    try:
        kept: Obj = decode_value(meta, object_meta())
    except DecodeError:
        # Wrong types are for validation to tell.
        return meta
    return kept


def pruned(value: Any, schema: Obj) -> Any:
    """Return a value without what its schema doesn't know."""
    return prune(copy.deepcopy(value), Node(schema))


def default(value: Any, node: Node) -> None:
    """Fill in defaults, in place; a null where none is allowed counts as missing."""
    if not node.some_default:
        return
    if isinstance(value, dict):
        for name, child in node.properties.items():
            if name in value:
                if value[name] is not None or child.nullable:
                    continue
                if child.has_default:
                    value[name] = copy.deepcopy(child.default)
                else:
                    del value[name]
            elif child.has_default:
                value[name] = copy.deepcopy(child.default)
        for name, item in value.items():
            below = node.properties.get(name, node.additional)
            if below is not None and below.some_default:
                if item is None and below.has_default and not below.nullable:
                    value[name] = item = copy.deepcopy(below.default)
                default(item, below)
    elif isinstance(value, list) and node.items is not None:
        for item in value:
            default(item, node.items)


def at(obj: Any, path: str) -> Any:
    """Follow a simple JSON path (`.spec.replicas`); None where it ends early."""
    for part in path.strip(".").split("."):
        if not isinstance(obj, dict):
            return None
        obj = obj.get(part)
    return obj
