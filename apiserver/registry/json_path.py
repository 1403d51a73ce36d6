"""The JSON paths of printer columns: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`, `.a['b.c']`."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

_STEP = re.compile(
    r"""\.?\[\?\(\s*@\.(?P<filter>[\w.\-/\\]+)\s*(?P<operator>==|!=)\s*(?P<wanted>"[^"]*"|'[^']*'|[\w.\-]+)\s*\)\]"""
    r"""|\.?\[(?P<index>-?\d+)\]|\.?\[(?P<all>\*)\]|\.(?P<star>\*)"""
    r"""|\.?\[(?P<quoted>"[^"]*"|'[^']*')\]|\.(?P<name>(?:\\.|[^.\[\]\\])+)"""
)
Step = Callable[[Any], list[Any]]


class JSONPathError(ValueError):
    """The text is no path that columns support."""


def _field(name: str) -> Step:
    return lambda value: [value[name]] if isinstance(value, dict) and name in value else []


def _index(position: int) -> Step:
    return lambda value: [value[position]] if isinstance(value, list) and -len(value) <= position < len(value) else []


def _every(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, dict) else []


def _filtered(field: str, operator: str, wanted: str) -> Step:
    inner = compile_path(f".{field}")
    literal = wanted[1:-1] if wanted[0] in "\"'" else wanted

    def step(value: Any) -> list[Any]:
        found = []
        for item in value if isinstance(value, list) else ():
            have = [_text(one) for one in inner(item)]
            if (literal in have) == (operator == "=="):
                found.append(item)
        return found

    return step


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
            steps.append(_filtered(match["filter"], match["operator"], match["wanted"]))
        elif match["index"]:
            steps.append(_index(int(match["index"])))
        elif match["all"] or match["star"]:
            steps.append(_every)
        elif match["quoted"]:
            steps.append(_field(match["quoted"][1:-1]))
        else:
            steps.append(_field(re.sub(r"\\(.)", r"\1", match["name"])))

    def find(value: Any) -> list[Any]:
        values = [value]
        for step in steps:
            values = [found for one in values for found in step(one)]
        return values

    return find
