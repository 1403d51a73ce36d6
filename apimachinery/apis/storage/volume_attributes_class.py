"""VolumeAttributesClass: validation."""

from apimachinery.apis.field_rules import Errors, unchanged
from apimachinery.objects.field_path import FieldPath, required
from apimachinery.objects.metadata import Obj


def validate(obj: Obj) -> Errors:
    """What is wrong with a VolumeAttributesClass."""
    errors = [] if obj.get("driverName") else [required(FieldPath("driverName"))]
    if not obj.get("parameters"):
        errors.append(required(FieldPath("parameters"), "must contain at least one key/value pair"))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a VolumeAttributesClass that replaces another."""
    return [
        error
        for field in ("driverName", "parameters")
        for error in unchanged(new.get(field), old.get(field), FieldPath(field))
    ]
