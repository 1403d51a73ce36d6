"""CSIDriver."""

from apimachinery.apis.field_rules import Errors, one_of, unchanged
from apimachinery.objects.field_path import FieldPath
from apimachinery.objects.metadata import Obj

_DEFAULTS = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}


def apply_defaults(obj: Obj) -> None:
    """Fill in a CSIDriver, in place."""
    spec = obj.setdefault("spec", {})
    for field, value in _DEFAULTS.items():
        spec.setdefault(field, value)
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


_SPEC = FieldPath("spec")
_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")


def validate(obj: Obj) -> Errors:
    """What is wrong with a CSIDriver."""
    spec = obj.get("spec") or {}
    errors = one_of(spec.get("fsGroupPolicy"), _SPEC.child("fsGroupPolicy"), _POLICIES)
    for position, mode in enumerate(spec.get("volumeLifecycleModes") or ()):
        here = _SPEC.child("volumeLifecycleModes").index(position)
        errors.extend(one_of(mode, here, ("Ephemeral", "Persistent")))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a CSIDriver that replaces another."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate(new)
    for field in ("attachRequired", "volumeLifecycleModes"):
        errors.extend(unchanged(after.get(field), before.get(field), _SPEC.child(field)))
    return errors
