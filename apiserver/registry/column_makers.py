"""Makers of cells that many kinds share: a field, a count, an age, labels, images."""

import datetime
from collections.abc import Callable
from typing import Any

from apimachinery.objects.metadata import Obj
from apimachinery.objects.times import format_duration, seconds_since

Cell = Callable[[Obj, datetime.datetime], Any]
_NONE = "<none>"


def value_at(obj: Any, path: str) -> Any:
    """What a dotted path leads to; None if nothing."""
    for name in path.split("."):
        if type(obj) is not dict:
            return None
        obj = obj.get(name)
    return obj


def at(path: str, default: Any) -> Cell:
    """A field, or a default where it is empty."""
    names = path.split(".")

    def cell(obj: Obj, now: datetime.datetime) -> Any:
        del now
        value: Any = obj
        for name in names:
            if type(value) is not dict:
                return default
            value = value.get(name)
        return default if value is None or value == "" else (value if type(default) is int else str(value))

    return cell


def count(*paths: str) -> Cell:
    """How many items fields have together."""
    return lambda obj, _now: sum(len(value_at(obj, path) or ()) for path in paths)


def flag(path: str) -> Cell:
    """A boolean; false where it is not given."""
    return lambda obj, _now: bool(value_at(obj, path))


def boolean(path: str) -> Cell:
    """A boolean as text, `True` or `False`."""
    return lambda obj, _now: "True" if value_at(obj, path) else "False"


def since(path: str, default: str) -> Cell:
    """The time since a field."""

    def cell(obj: Obj, now: datetime.datetime) -> str:
        value = value_at(obj, path)
        return format_duration(seconds_since(value, now)) if value else default

    return cell


def joined(path: str) -> Cell:
    """A list of texts."""
    return lambda obj, _now: ",".join(value_at(obj, path) or ()) or _NONE


def container_names(path: str) -> Cell:
    """The names of containers."""
    return lambda obj, _now: ",".join(one.get("name", "") for one in value_at(obj, path) or ())


def container_images(path: str) -> Cell:
    """The images of containers."""
    return lambda obj, _now: ",".join(one.get("image", "") for one in value_at(obj, path) or ())


def format_labels(labels: dict[str, str] | None) -> str:
    """`a=b,c=d`, by key."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or _NONE


def label_map(path: str) -> Cell:
    """A map of labels."""
    return lambda obj, _now: format_labels(value_at(obj, path))


def label_selector(path: str) -> Cell:
    """A LabelSelector."""

    def cell(obj: Obj, now: datetime.datetime) -> str:
        del now
        selector = value_at(obj, path)
        if not selector:
            return _NONE
        parts = {key: f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()}
        for one in selector.get("matchExpressions") or ():
            key, values = one.get("key", ""), ",".join(sorted(one.get("values") or ()))
            parts[key] = {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }.get(one.get("operator"), key)
        return ",".join(parts[key] for key in sorted(parts)) or _NONE

    return cell
