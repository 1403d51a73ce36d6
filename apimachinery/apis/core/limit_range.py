"""LimitRange."""

from apimachinery.apis.field_rules import Errors, quantity
from apimachinery.objects.field_path import FieldPath, duplicate, forbidden, invalid, required
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import QuantityError, parse_quantity


def apply_defaults(obj: Obj) -> None:
    """Fill in a LimitRange, in place: limits default to the most, requests to the limit or the least."""
    for item in (obj.get("spec") or {}).get("limits") or ():
        if item.get("type") != "Container":
            continue
        limits = {**(item.get("max") or {}), **(item.get("default") or {})}
        requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
        if limits:
            item["default"] = limits
        if requests:
            item["defaultRequest"] = requests


_LIMITS = FieldPath("spec.limits")
_ORDER = (
    ("min", "max"),
    ("min", "defaultRequest"),
    ("min", "default"),
    ("defaultRequest", "default"),
    ("default", "max"),
)
_TOLD = {
    ("min", "max"): "min value {0} is greater than max value {1}",
    ("min", "defaultRequest"): "min value {0} is greater than default request value {1}",
    ("min", "default"): "min value {0} is greater than default value {1}",
    ("defaultRequest", "default"): "default request value {0} is greater than default limit value {1}",
    ("default", "max"): "default value {0} is greater than max value {1}",
}


def validate(obj: Obj) -> Errors:
    """What is wrong with a LimitRange."""
    errors: Errors = []
    seen: set[str] = set()
    for position, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
        here = _LIMITS.index(position)
        kind = item.get("type")
        if not kind:
            errors.append(required(here.child("type")))
        elif kind in seen:
            errors.append(duplicate(here.child("type"), kind))
        seen.add(kind or "")
        for field in ("min", "max", "default", "defaultRequest"):
            for name, amount in (item.get(field) or {}).items():
                errors.extend(quantity(amount, here.child(field).key(name)))
        errors.extend(_ordered(item, here))
        errors.extend(_by_kind(item, here))
    return errors


def _by_kind(item: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    kind = item.get("type")
    if kind == "Pod":
        told = "may not be specified when `type` is 'Pod'"
        errors.extend(forbidden(here.child(field), told) for field in ("default", "defaultRequest") if item.get(field))
    if kind == "PersistentVolumeClaim" and not any("storage" in (item.get(field) or {}) for field in ("min", "max")):
        told = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(required(here.child("limits"), told))
    for name, ratio in (item.get("maxLimitRequestRatio") or {}).items():
        where = here.child("maxLimitRequestRatio").key(name)
        wrong = quantity(ratio, where)
        if not wrong and parse_quantity(ratio) < 1:
            wrong = [invalid(where, str(ratio), f"ratio {ratio} is less than 1")]
        errors.extend(wrong)
    return errors


def _ordered(item: Obj, path: FieldPath) -> Errors:
    errors: Errors = []
    for lower, upper in _ORDER:
        for name, amount in (item.get(lower) or {}).items():
            other = (item.get(upper) or {}).get(name)
            try:
                wrong = other is not None and parse_quantity(amount) > parse_quantity(other)
            except QuantityError:
                continue
            if wrong:
                told = _TOLD[lower, upper].format(amount, other)
                errors.append(invalid(path.child(lower).key(name), str(amount), told))
    return errors
