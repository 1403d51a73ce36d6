"""CSIDriver."""

from apimachinery.apis.core.volume import driver_name
from apimachinery.apis.field_rules import Errors, one_of, unchanged
from apimachinery.objects.field_path import FieldPath, duplicate, invalid
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
_LEAST_SECONDS = 600
_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")


def validate(obj: Obj) -> Errors:
    """What is wrong with a CSIDriver."""
    spec = obj.get("spec") or {}
    errors = driver_name((obj.get("metadata") or {}).get("name"), FieldPath("metadata.name"))
    errors.extend(one_of(spec.get("fsGroupPolicy"), _SPEC.child("fsGroupPolicy"), _POLICIES))
    for position, mode in enumerate(spec.get("volumeLifecycleModes") or ()):
        here = _SPEC.child("volumeLifecycleModes").index(position)
        errors.extend(one_of(mode, here, ("Ephemeral", "Persistent")))
    seen: set[str] = set()
    for position, request in enumerate(spec.get("tokenRequests") or ()):
        here, audience = _SPEC.child("tokenRequests").index(position), request.get("audience") or ""
        if audience in seen:
            errors.append(duplicate(here.child("audience"), audience))
        seen.add(audience)
        seconds = request.get("expirationSeconds")
        if seconds is not None and seconds < _LEAST_SECONDS:
            told = "may not specify a duration less than 10 minutes"
            errors.append(invalid(here.child("expirationSeconds"), seconds, told))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a CSIDriver that replaces another."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate(new)
    for field in ("attachRequired", "volumeLifecycleModes"):
        errors.extend(unchanged(after.get(field), before.get(field), _SPEC.child(field)))
    return errors
