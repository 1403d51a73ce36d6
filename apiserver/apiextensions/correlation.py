"""Which earlier value a value of a custom resource replaces (pure).

Properties and map entries are matched by name, items of `map` lists by their keys, items of lists without a type by
position. Items of `set` and `atomic` lists have no earlier value.
"""

from __future__ import annotations

import json
from typing import Any, Final

from apimachinery.objects.metadata import Obj

MISSING: Final = object()
"""Stands for an earlier value that isn't there or can't be found."""


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal; true is not 1."""
    if one is other:
        return True
    return bool(one == other) and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def item_key(item: Any, keys: tuple[str, ...]) -> str:
    """Return what an item of a `map` list is known by."""
    return json.dumps([item.get(key) for key in keys]) if isinstance(item, dict) else ""


def keyed_items(old: Any, schema: Obj) -> dict[str, Any]:
    """Return the items of an earlier `map` list by their keys; nothing for other lists."""
    if not isinstance(old, list) or schema.get("x-kubernetes-list-type") != "map":
        return {}
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    return {item_key(item, keys): item for item in old}


def earlier_items(new: list[Any], old: Any, schema: Obj) -> list[Any]:
    """Return for each item of a list the one it replaces, `MISSING` where there is none."""
    if not isinstance(old, list):
        return [MISSING] * len(new)
    kind = schema.get("x-kubernetes-list-type")
    if kind is None:
        return [*old[: len(new)], *[MISSING] * (len(new) - len(old))]
    known = keyed_items(old, schema)
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    return [known.get(item_key(item, keys), MISSING) for item in new]
