"""IngressClass."""

from apimachinery.apis.field_rules import Errors, unchanged
from apimachinery.objects.field_path import FieldPath, required
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in an IngressClass, in place."""
    parameters = (obj.get("spec") or {}).get("parameters")
    if parameters is not None:
        parameters.setdefault("scope", "Cluster")


_CONTROLLER = FieldPath("spec.controller")


def validate(obj: Obj) -> Errors:
    """What is wrong with an IngressClass."""
    return [] if (obj.get("spec") or {}).get("controller") else [required(_CONTROLLER)]


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with an IngressClass that replaces another."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    return unchanged(after.get("controller"), before.get("controller"), _CONTROLLER)
