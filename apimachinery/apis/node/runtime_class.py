"""RuntimeClass: validation."""

from apimachinery.apis.field_rules import Errors, named, unchanged
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath
from apimachinery.objects.metadata import Obj

_HANDLER = FieldPath("handler")


def validate(obj: Obj) -> Errors:
    """What is wrong with a RuntimeClass."""
    return named(obj.get("handler"), _HANDLER, names.dns1123_label_problems)


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a RuntimeClass that replaces another."""
    return unchanged(new.get("handler"), old.get("handler"), _HANDLER)
