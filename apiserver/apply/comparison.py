"""What differs between two versions of an object, as three field sets."""

from dataclasses import dataclass, field
from typing import Any

from apimachinery.schema.tables import Schema
from apiserver.apply.field_set import (
    Fields,
    child_schema,
    is_atomic,
    item_key,
)

_ANY = Schema()
_ABSENT = object()


@dataclass(slots=True)
class Comparison:
    """The fields that came, changed and went."""

    added: Fields = field(default_factory=dict)
    modified: Fields = field(default_factory=dict)
    removed: Fields = field(default_factory=dict)

    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.modified or self.removed)


def compare(old: dict[str, Any], new: dict[str, Any], schema: Schema | None) -> Comparison:
    """What differs between two objects."""
    found = Comparison()
    _maps(old, new, schema or _ANY, found)
    return found


def _maps(old: dict[str, Any], new: dict[str, Any], schema: Schema, found: Comparison) -> None:
    for name, item in new.items():
        before = old.get(name, _ABSENT)
        if before is not _ABSENT and before == item and type(before) is type(item):
            continue
        _value(f"f:{name}", before, item, child_schema(schema, name), found)
    for name, before in old.items():
        if name not in new:
            _value(f"f:{name}", before, _ABSENT, child_schema(schema, name), found)


def _value(key: str, old: Any, new: Any, schema: Schema, found: Comparison) -> None:
    if new is _ABSENT:
        found.removed[key] = _whole(old, schema)
    elif old is _ABSENT:
        found.added[key] = _whole(new, schema)
    elif type(old) is not type(new) or is_atomic(schema, new) or (not old and not new):
        found.modified[key] = {}
    else:
        inner = Comparison()
        if type(new) is dict:
            _maps(old, new, schema, inner)
        else:
            _lists(old, new, schema, inner)
        _keep(key, inner, found)


def _keep(key: str, inner: Comparison, found: Comparison) -> None:
    if inner.added:
        found.added[key] = inner.added
    if inner.modified:
        found.modified[key] = inner.modified
    if inner.removed:
        found.removed[key] = inner.removed


def _lists(old: list[Any], new: list[Any], schema: Schema, found: Comparison) -> None:
    items = schema.items or _ANY
    before = {item_key(item, schema): item for item in old}
    after = {item_key(item, schema): item for item in new}
    for key, item in after.items():
        was = before.get(key, _ABSENT)
        if was is _ABSENT or was != item:
            _value(key, was, item, items, found)
    for key, was in before.items():
        if key not in after:
            _value(key, was, _ABSENT, items, found)


def _whole(value: Any, schema: Schema) -> Fields:
    """A node for a value that is there in one version only: it and all fields below."""
    kind = type(value)
    if not value or (kind is not dict and kind is not list) or is_atomic(schema, value):
        return {}
    made: Fields = {".": {}}
    if kind is dict:
        properties, other = schema.properties, schema.additional or _ANY
        for name, item in value.items():
            plain = type(item) is str or type(item) is int or type(item) is bool
            made[f"f:{name}"] = {} if plain else _whole(item, properties.get(name) or other)
    else:
        items = schema.items or _ANY
        for item in value:
            made[item_key(item, schema)] = _whole(item, items)
    return made
