"""PriorityClass."""

from apimachinery.apis.field_rules import Errors, optional_one_of
from apimachinery.objects.field_path import FieldPath, forbidden
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a PriorityClass, in place."""
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")


_MOST = 1_000_000_000
_SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}


def validate(obj: Obj) -> Errors:
    """What is wrong with a PriorityClass."""
    errors: Errors = []
    name, value = (obj.get("metadata") or {}).get("name") or "", obj.get("value") or 0
    if name.startswith("system-"):
        told = "priority class names with 'system-' prefix are reserved for system use only. error: "
        if name not in _SYSTEM:
            errors.append(forbidden(FieldPath("metadata.name"), f"{told}{name} is not a known system priority class"))
        elif _SYSTEM[name] != value:
            why = f"value of {name} PriorityClass must be {_SYSTEM[name]}"
            errors.append(forbidden(FieldPath("metadata.name"), told + why))
    elif value > _MOST:
        told = f"maximum allowed value of a user defined priority is {_MOST}"
        errors.append(forbidden(FieldPath("value"), told))
    policies = ("Never", "PreemptLowerPriority")
    return [*errors, *optional_one_of(obj.get("preemptionPolicy"), FieldPath("preemptionPolicy"), policies)]


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a PriorityClass that replaces another."""
    return [
        forbidden(FieldPath(field), "may not be changed in an update.")
        for field in ("value", "preemptionPolicy")
        if new.get(field) != old.get(field)
    ]
