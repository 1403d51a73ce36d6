"""IPAddress: validation. Its name is the address, in canonical form."""

import ipaddress

from apimachinery.apis.field_rules import Errors, unchanged
from apimachinery.objects.field_path import FieldPath, invalid, required
from apimachinery.objects.metadata import Obj

_NAME, _PARENT = FieldPath("metadata.name"), FieldPath("spec.parentRef")


def validate(obj: Obj) -> Errors:
    """What is wrong with an IPAddress."""
    errors: Errors = []
    name = (obj.get("metadata") or {}).get("name") or ""
    try:
        if str(ipaddress.ip_address(name)) != name:
            errors.append(invalid(_NAME, name, "must be a canonical format IP address"))
    except ValueError:
        errors.append(invalid(_NAME, name, "must be a valid IP address"))
    parent = (obj.get("spec") or {}).get("parentRef")
    if not parent:
        return [*errors, required(_PARENT)]
    return [*errors, *(required(_PARENT.child(field)) for field in ("resource", "name") if not parent.get(field))]


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with an IPAddress that replaces another."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    return unchanged(after.get("parentRef"), before.get("parentRef"), _PARENT)
