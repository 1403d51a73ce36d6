"""Puts the OpenAPI v2 documents of extension servers into ours. Pure.

Upstream's rule: of a path that both have, ours stays; a definition that both have under one name but not with one
meaning gets a name of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from apimachinery.objects.metadata import Obj

_REFERENCE: Final = "#/definitions/"


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """Return a document with its references to renamed definitions following them."""
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    if not isinstance(value, dict):
        return value
    out = {key: _renamed(one, names) for key, one in value.items()}
    target = value.get("$ref")
    if isinstance(target, str) and target.startswith(_REFERENCE):
        name = target[len(_REFERENCE) :]
        out["$ref"] = _REFERENCE + names.get(name, name)
    return out


def _free_name(name: str, taken: dict[str, Any]) -> str:
    number = 2
    while f"{name}_v{number}" in taken:
        number += 1
    return f"{name}_v{number}"


def merged(ours: bytes, remotes: Iterable[tuple[str, Obj]]) -> bytes:
    """Return our document with those of others in it.

    Args:
        ours: our document.
        remotes: for each extension server, the path its resources are below (`/apis/GROUP/VERSION`), and its document.
    """
    document: dict[str, Any] = {}
    for prefix, remote in remotes:
        paths = remote.get("paths")
        definitions = remote.get("definitions") or {}
        if not isinstance(paths, dict) or not isinstance(definitions, dict):
            continue
        if not document:
            document = orjson.loads(ours)
        taken = document.setdefault("definitions", {})
        names = {
            name: _free_name(name, taken)
            for name, definition in definitions.items()
            if name in taken and taken[name] != definition
        }
        wanted = {path: one for path, one in paths.items() if path == f"{prefix}/" or path.startswith(f"{prefix}/")}
        for path, one in wanted.items():
            document["paths"].setdefault(path, _renamed(one, names))
        for name, definition in definitions.items():
            taken.setdefault(names.get(name, name), _renamed(definition, names))
    return orjson.dumps(document) if document else ours
