"""CSINode: validation."""

from apimachinery.apis.core.volume import driver_name
from apimachinery.apis.field_rules import Errors, non_negative
from apimachinery.apis.object_meta import IMMUTABLE
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, invalid, required
from apimachinery.objects.metadata import Obj

_DRIVERS = FieldPath("spec.drivers")
_MOST_NODE_ID = 256


def validate(obj: Obj) -> Errors:
    """What is wrong with a CSINode."""
    errors: Errors = []
    seen: set[str] = set()
    for position, driver in enumerate(_drivers(obj)):
        here, name = _DRIVERS.index(position), driver.get("name") or ""
        errors.extend(driver_name(name, here.child("name")))
        if name and name in seen:
            errors.append(duplicate(here.child("name"), name))
        seen.add(name)
        node = driver.get("nodeID") or ""
        if not node:
            errors.append(required(here.child("nodeID")))
        elif len(node) > _MOST_NODE_ID:
            told = f"must be {_MOST_NODE_ID} characters or less"
            errors.append(invalid(here.child("nodeID"), node, told))
        count = (driver.get("allocatable") or {}).get("count")
        errors.extend(non_negative(count, here.child("allocatable", "count")))
        errors.extend(_topology(driver.get("topologyKeys") or [], here.child("topologyKeys")))
    return errors


def _drivers(obj: Obj) -> list[Obj]:
    return (obj.get("spec") or {}).get("drivers") or []


def _topology(keys: list[str], path: FieldPath) -> Errors:
    errors: Errors = []
    for position, key in enumerate(keys):
        errors.extend(invalid(path, key, problem) for problem in names.qualified_name_problems(key))
        if key in keys[:position]:
            errors.append(duplicate(path, key))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a CSINode that replaces another: drivers come and go, but don't change."""
    errors = validate(new)
    before = {one.get("name"): one for one in _drivers(old)}
    for position, driver in enumerate(_drivers(new)):
        was = before.get(driver.get("name"))
        if was is not None and {**was, "allocatable": 0} != {**driver, "allocatable": 0}:
            errors.append(invalid(_DRIVERS.index(position), driver, IMMUTABLE))
    return errors
