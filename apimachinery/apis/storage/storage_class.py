"""StorageClass."""

from apimachinery.apis.field_rules import Errors, named, one_of, unchanged
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, forbidden, invalid
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a StorageClass, in place."""
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def validate(obj: Obj) -> Errors:
    """What is wrong with a StorageClass."""
    name, here = obj.get("provisioner") or "", FieldPath("provisioner")
    errors = named(name.lower(), here, names.qualified_name_problems)
    if any(not key for key in obj.get("parameters") or {}):
        errors.append(invalid(FieldPath("parameters"), "", "field can not be empty."))
    errors.extend(one_of(obj.get("reclaimPolicy"), FieldPath("reclaimPolicy"), ("Delete", "Retain")))
    modes = ("Immediate", "WaitForFirstConsumer")
    return [*errors, *one_of(obj.get("volumeBindingMode"), FieldPath("volumeBindingMode"), modes)]


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a StorageClass that replaces another."""
    errors = validate(new)
    for field in ("parameters", "provisioner"):
        if new.get(field) != old.get(field):
            errors.append(forbidden(FieldPath(field), f"updates to {field} are forbidden."))
    if new.get("reclaimPolicy") != old.get("reclaimPolicy"):
        errors.append(forbidden(FieldPath("reclaimPolicy"), "updates to reclaimPolicy are forbidden."))
    return [
        *errors,
        *unchanged(new.get("volumeBindingMode"), old.get("volumeBindingMode"), FieldPath("volumeBindingMode")),
    ]
