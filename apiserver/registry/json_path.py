"""The JSON paths of printer columns: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`, `.a['b.c']`.

What k8s.io/client-go/util/jsonpath reads, but for ranges of output: filters, slices, unions, `*` and `..`.
"""

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

_ITEM = r"""-?\d+|"[^"]*"|'[^']*'"""
_STEP = re.compile(
    rf"""\.?\[\?\(\s*@(?P<filter>[^\s=!<>()]+)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<wanted>"[^"]*"|'[^']*'|[\w.\-]+))?"""
    rf"""\s*\)\]|\.?\[(?P<items>(?:{_ITEM})(?:\s*,\s*(?:{_ITEM}))*)\]|\.?\[(?P<slice>(?:-?\d*):(?:-?\d*)(?::\d+)?)\]"""
    r"""|\.?\[(?P<all>\*)\]|\.\.(?P<deep>\*|(?:\\.|[^.\[\]\\*])+)|\.(?P<star>\*)|\.(?P<name>(?:\\.|[^.\[\]\\])+)"""
)
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge
}  # fmt: skip
Step = Callable[[Any], list[Any]]


class JSONPathError(ValueError):
    """The text is no path that columns support."""


def _field(name: str) -> Step:
    return lambda value: [value[name]] if isinstance(value, dict) and name in value else []


def _index(position: int) -> Step:
    return lambda value: [value[position]] if isinstance(value, list) and -len(value) <= position < len(value) else []


def _union(text: str) -> Step:
    parts = [_field(item[1:-1]) if item[0] in "\"'" else _index(int(item)) for item in re.findall(_ITEM, text)]
    return lambda value: [found for part in parts for found in part(value)]


def _slice(text: str) -> Step:
    part = slice(*(int(one) if one else None for one in text.split(":")))
    return lambda value: value[part] if isinstance(value, list) else []


def _every(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, dict) else []


def _deep(name: str) -> Step:
    here = _every if name == "*" else _field(name)

    def step(value: Any) -> list[Any]:
        return [*here(value), *(found for item in _every(value) for found in step(item))]

    return step


def _ordered(one: str, other: str, how: str) -> bool:
    try:
        return _ORDERS[how](float(one), float(other))
    except ValueError:
        return _ORDERS[how](one, other)


def _filtered(field: str, how: str | None, wanted: str) -> Step:
    inner = compile_path(field)
    literal = wanted[1:-1] if wanted[:1] in ('"', "'") else wanted

    def keeps(item: Any) -> bool:
        have = [_text(one) for one in inner(item)]
        if how is None:
            return bool(have)
        if how in _ORDERS:
            return any(_ordered(one, literal, how) for one in have)
        return (literal in have) == (how == "==")

    return lambda value: [item for item in value if keeps(item)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@lru_cache(maxsize=512)
def compile_path(text: str) -> Callable[[Any], list[Any]]:
    """A function that finds all values at a path.

    Raises:
        JSONPathError: if it is none.
    """
    text = text.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise JSONPathError(f"unsupported path {text!r}")
        at = match.end()
        if match["filter"]:
            steps.append(_filtered(match["filter"], match["operator"], match["wanted"] or ""))
        elif match["items"]:
            steps.append(_union(match["items"]))
        elif match["slice"]:
            steps.append(_slice(match["slice"]))
        elif match["deep"]:
            steps.append(_deep(match["deep"]))
        elif match["all"] or match["star"]:
            steps.append(_every)
        else:
            steps.append(_field(re.sub(r"\\(.)", r"\1", match["name"])))

    def find(value: Any) -> list[Any]:
        values = [value]
        for step in steps:
            values = [found for one in values for found in step(one)]
        return values

    return find
