"""CSINode: validation."""

from apimachinery.apis.field_rules import Errors
from apimachinery.objects.field_path import FieldPath, duplicate, required
from apimachinery.objects.metadata import Obj

_DRIVERS = FieldPath("spec.drivers")


def validate(obj: Obj) -> Errors:
    """What is wrong with a CSINode."""
    errors: Errors = []
    seen: set[str] = set()
    for position, driver in enumerate((obj.get("spec") or {}).get("drivers") or ()):
        here = _DRIVERS.index(position)
        errors.extend(required(here.child(field)) for field in ("name", "nodeID") if not driver.get(field))
        name = driver.get("name") or ""
        if name in seen:
            errors.append(duplicate(here.child("name"), name))
        seen.add(name)
    return errors
