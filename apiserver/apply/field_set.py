"""Sets of field paths, in the very form of `fieldsV1`: nested dicts, so that reading and writing them costs nothing.

A key is `f:name`, `k:{"name":"c"}` (item of a map list), `v:"x"` (item of a set) or `i:0`. A path is a member if its
node is empty or has the key `.`; the root itself never is. No function changes its arguments.
"""

import json
from collections.abc import Iterator
from typing import Any

import orjson

from apimachinery.schema.tables import Schema

Fields = dict[str, Any]
_SELF = "."
_ANY = Schema()


class ConfigurationError(ValueError):
    """A configuration whose items can't be told apart."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: list[str] = []

    @property
    def text(self) -> str:
        """The path and what is wrong there."""
        return "".join(reversed(self.path)) + f": {self.problem}"


def is_member(node: Fields) -> bool:
    """Whether the path that ends in a node is in the set."""
    return not node or _SELF in node


def union(left: Fields, right: Fields) -> Fields:
    """The paths of either."""
    if not left or left == right:
        return right
    if not right:
        return left
    return _union(left, right)


def _union(left: Fields, right: Fields) -> Fields:
    made = dict(left)
    for key, node in right.items():
        if key not in made:
            made[key] = node
            continue
        mine = made[key]
        if mine == node:
            continue
        if not mine or not node:
            made[key] = {_SELF: {}, **mine, **node}
        else:
            made[key] = _union(mine, node)
    return made


def difference(left: Fields, right: Fields) -> Fields:
    """The paths of the left that are not in the right."""
    if not left or not right:
        return left
    made: Fields = {}
    for key, node in left.items():
        if key == _SELF:
            continue
        other = right.get(key)
        if other is None:
            made[key] = node
            continue
        children = difference({one: child for one, child in node.items() if one != _SELF}, other) if node else {}
        kept = is_member(node) and not is_member(other)
        if kept or children:
            made[key] = _node(children, member=kept)
    return made


def intersection(left: Fields, right: Fields) -> Fields:
    """The paths in both."""
    made: Fields = {}
    for key, node in left.items():
        other = right.get(key)
        if other is None or key == _SELF:
            continue
        children = intersection(node, other)
        both = is_member(node) and is_member(other)
        if both or children:
            made[key] = _node(children, member=both)
    return made


def _node(children: Fields, *, member: bool) -> Fields:
    return {_SELF: {}, **children} if member and children else children


def paths(fields: Fields, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All members, as tuples of keys."""
    for key, node in fields.items():
        if key == _SELF:
            continue
        here = (*prefix, key)
        if is_member(node):
            yield here
        if node:
            yield from paths(node, here)


def path_text(path: tuple[str, ...]) -> str:
    """A path as conflicts show it: `.spec.containers[name="c"].image`."""
    text = ""
    for key in path:
        kind, rest = key[0], key[2:]
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            pairs = ",".join(
                f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(json.loads(rest).items())
            )
            text += f"[{pairs}]"
        elif kind == "v":
            text += f"[={rest}]"
        else:
            text += f"[{rest}]"
    return text


def ordered(fields: Fields) -> Fields:
    """The same set, its keys in the order upstream writes them."""
    return {key: ordered(node) if (node := fields[key]) else node for key in sorted(fields)}


def item_key(item: Any, schema: Schema, *, strict: bool = False) -> str:
    """The key of a list's item, for a `map` or `set` list.

    Args:
        item: The item.
        schema: The shape of the list.
        strict: A key that the item must have and has not is a `KeyError`; otherwise it is left out.
    """
    if schema.list_type == "set":
        return "v:" + orjson.dumps(item).decode()
    items = schema.items or _ANY
    found = {}
    for name in sorted(schema.list_map_keys):
        value = item.get(name) if type(item) is dict else None
        if value is None and name in items.properties:
            value = items.properties[name].default
        if value is not None:
            found[name] = value
        elif strict and name in items.required:
            raise KeyError(name)
    if strict and not found:
        raise KeyError(schema.list_map_keys[0])
    return "k:" + orjson.dumps(found).decode()


def is_granular_list(schema: Schema) -> bool:
    """Whether items of a list are owned one by one."""
    return schema.list_type == "map" or schema.list_type == "set"


def child_schema(schema: Schema, field: str) -> Schema:
    """The shape of a field or of a map's value."""
    return schema.properties.get(field) or schema.additional or _ANY


def is_atomic(schema: Schema, value: Any) -> bool:
    """Whether a value is owned as a whole."""
    if type(value) is dict:
        return schema.map_type == "atomic" or (schema.special != "" and schema is not _ANY and schema.special != "any")
    if type(value) is list:
        return not is_granular_list(schema)
    return True


def of_value(value: Any, schema: Schema) -> Fields:
    """The paths an applied configuration gives; `ConfigurationError`."""
    if type(value) is dict:
        return _of_map(value, schema)
    made: Fields = {}
    items = schema.items or _ANY
    for position, item in enumerate(value):
        try:
            key = item_key(item, schema, strict=True)
        except KeyError as error:
            raise ConfigurationError(
                f"element {position}: associative list with keys has an element that omits key field "
                f'"{error.args[0]}" (and doesn\'t have default value)'
            ) from error
        if key in made:
            raise ConfigurationError(f"duplicate entries for key {path_text((key,))}")
        try:
            inner = {} if is_atomic(items, item) else of_value(item, items)
        except ConfigurationError as error:
            error.path.append(path_text((key,)))
            raise
        made[key] = {_SELF: {}, **inner} if inner else {}
    return made


def _of_map(value: dict[str, Any], schema: Schema) -> Fields:
    made: Fields = {}
    properties = schema.properties
    for field, item in value.items():
        child = properties.get(field)
        known = child is not None
        if child is None:
            child = schema.additional or _ANY
        if is_atomic(child, item) or not item:
            made[f"f:{field}"] = {}
        else:
            try:
                inner = of_value(item, child)
            except ConfigurationError as error:
                error.path.append(f".{field}")
                raise
            made[f"f:{field}"] = inner if known or not inner else {_SELF: {}, **inner}
    return made
