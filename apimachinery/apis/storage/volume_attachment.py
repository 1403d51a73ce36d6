"""VolumeAttachment: validation."""

from apimachinery.apis.field_rules import Errors, unchanged
from apimachinery.objects.field_path import FieldPath, required
from apimachinery.objects.metadata import Obj

_SPEC = FieldPath("spec")


def validate(obj: Obj) -> Errors:
    """What is wrong with a VolumeAttachment."""
    spec = obj.get("spec") or {}
    errors = [required(_SPEC.child(field)) for field in ("attacher", "nodeName") if not spec.get(field)]
    source = spec.get("source") or {}
    if not source.get("persistentVolumeName") and not source.get("inlineVolumeSpec"):
        told = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        errors.append(required(_SPEC.child("source"), told))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a VolumeAttachment that replaces another."""
    return unchanged(new.get("spec"), old.get("spec"), _SPEC)
