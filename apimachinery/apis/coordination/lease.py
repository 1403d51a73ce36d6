"""Lease: validation."""

from apimachinery.apis.field_rules import Errors, non_negative
from apimachinery.objects.field_path import FieldPath, invalid
from apimachinery.objects.metadata import Obj

_SPEC = FieldPath("spec")


def validate(obj: Obj) -> Errors:
    """What is wrong with a Lease."""
    spec = obj.get("spec") or {}
    errors: Errors = []
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        errors.append(invalid(_SPEC.child("leaseDurationSeconds"), seconds, "must be greater than 0"))
    return [*errors, *non_negative(spec.get("leaseTransitions"), _SPEC.child("leaseTransitions"))]
