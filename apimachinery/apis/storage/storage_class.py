"""StorageClass."""

from apimachinery.apis.field_rules import Errors, one_of, unchanged
from apimachinery.objects.field_path import FieldPath, forbidden, required
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a StorageClass, in place."""
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def validate(obj: Obj) -> Errors:
    """What is wrong with a StorageClass."""
    errors = [] if obj.get("provisioner") else [required(FieldPath("provisioner"))]
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
