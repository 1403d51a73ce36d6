"""VolumeAttachment: validation."""

from apimachinery.apis.core.volume import driver_name
from apimachinery.apis.field_rules import Errors, named, unchanged
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, invalid, required
from apimachinery.objects.metadata import Obj

_SPEC = FieldPath("spec")
_MOST_MESSAGE = 262144
_ONE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def validate(obj: Obj) -> Errors:
    """What is wrong with a VolumeAttachment."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    errors = driver_name(spec.get("attacher"), _SPEC.child("attacher"))
    errors.extend(named(spec.get("nodeName"), _SPEC.child("nodeName"), names.dns1123_subdomain_problems))
    source = spec.get("source") or {}
    inline, volume = source.get("inlineVolumeSpec"), source.get("persistentVolumeName")
    if inline is None and volume is None:
        errors.append(required(_SPEC.child("source"), _ONE))
    elif inline is not None and volume is not None:
        errors.append(invalid(_SPEC.child("source"), source, _ONE))
    elif volume is not None:
        here = _SPEC.child("source", "persistentVolumeName")
        errors.extend(named(volume, here, names.dns1123_subdomain_problems))
    for field in ("attachError", "detachError"):
        message = (status.get(field) or {}).get("message") or ""
        if len(message) > _MOST_MESSAGE:
            here = FieldPath("status").child(field, "message")
            errors.append(invalid(here, message, f"must be {_MOST_MESSAGE} characters or less"))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a VolumeAttachment that replaces another."""
    return [*validate(new), *unchanged(new.get("spec"), old.get("spec"), _SPEC)]
