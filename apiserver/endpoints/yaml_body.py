"""YAML bodies as JSON would have them: decoded, their doubled keys told, and bombs of aliases refused."""

from __future__ import annotations

from typing import Any, Final

import orjson

from apimachinery.errors import BadRequest

# What aliases may make of a document, in nodes; Go's decoder draws its line at a similar place.
_MOST_NODES: Final = 200_000


def decode_yaml(raw: bytes) -> Any:
    """Return the value in a YAML body (which is often JSON: that is decoded much faster).

    Raises:
        BadRequest: there is none, or far too much.
    """
    import yaml

    if raw[:1] == b"{":
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            pass

    try:
        if b"&" in raw and b"*" in raw:
            _check_aliases(yaml.compose(raw, Loader=_json_like_loader()))
        value = yaml.load(raw, Loader=_json_like_loader())  # noqa: S506 - made of the safe loader
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise BadRequest(f"error converting YAML to JSON: {error}") from error


def _children(node: Any) -> list[Any]:
    """Return what a node holds: the keys and values of a mapping, the items of a sequence."""
    held = node.value
    if not isinstance(held, list):
        return []
    return [part for one in held for part in (one if isinstance(one, tuple) else (one,))]


def _check_aliases(root: Any) -> None:
    """Refuse a document that its aliases make very large, or endless.

    Raises:
        ValueError: it is.
    """
    sizes: dict[int, int] = {}
    waiting: list[tuple[Any, bool]] = [(root, False)]
    open_nodes: set[int] = set()
    while waiting:
        node, seen = waiting.pop()
        mark = id(node)
        if seen:
            open_nodes.discard(mark)
            sizes[mark] = 1 + sum(sizes[id(child)] for child in _children(node))
            if sizes[mark] > _MOST_NODES:
                raise ValueError("yaml: document contains excessive aliasing")
        elif node is not None and mark not in sizes:
            if mark in open_nodes:
                raise ValueError("yaml: anchor value contains itself")
            open_nodes.add(mark)
            waiting.append((node, True))
            waiting.extend((child, False) for child in _children(node))


def yaml_duplicates(raw: bytes) -> list[str]:
    """Return what Go's YAML decoder says of keys that occur twice: `line 9: key "foo" already set in map`."""
    import yaml

    found: list[str] = []
    waiting: list[Any] = [yaml.compose(raw, Loader=_json_like_loader())]
    looked_at: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in looked_at:  # an alias
            continue
        looked_at.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(reversed(node.value))
        elif isinstance(node, yaml.MappingNode):
            keys: set[Any] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in keys:
                        found.append(f'line {key.start_mark.line + 1}: key "{key.value}" already set in map')
                    keys.add(key.value)
                waiting.append(value)
    return found


def _json_like_loader() -> Any:
    """Return a YAML loader that, as sigs.k8s.io/yaml, leaves times as text."""
    import yaml

    global _LOADER
    if _LOADER is None:
        parent: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        _LOADER = type("JSONLikeLoader", (parent,), {})
        _LOADER.yaml_implicit_resolvers = {
            first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in parent.yaml_implicit_resolvers.items()
        }
    return _LOADER


_LOADER: Any = None
