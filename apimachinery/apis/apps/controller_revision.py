"""ControllerRevision: validation."""

from apimachinery.apis.field_rules import Errors, non_negative, unchanged
from apimachinery.objects.field_path import FieldPath
from apimachinery.objects.metadata import Obj


def validate(obj: Obj) -> Errors:
    """What is wrong with a ControllerRevision."""
    return non_negative(obj.get("revision"), FieldPath("revision"))


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a ControllerRevision that replaces another: its data stays."""
    return [*validate(new), *unchanged(new.get("data"), old.get("data"), FieldPath("data"))]
