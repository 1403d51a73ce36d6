"""Namespace."""

from apimachinery.apis.field_rules import Errors
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, invalid
from apimachinery.objects.metadata import Obj

NAME_LABEL = "kubernetes.io/metadata.name"


def apply_defaults(obj: Obj) -> None:
    """Fill in a Namespace, in place: its name as a label, so that selectors can name it."""
    metadata = obj["metadata"]
    if metadata.get("name"):
        labels = metadata.get("labels")
        if labels is None:
            labels = metadata["labels"] = {}
        labels[NAME_LABEL] = metadata["name"]
    obj.setdefault("spec", {})
    if not obj.setdefault("status", {}).get("phase"):
        obj["status"]["phase"] = "Active"


_STANDARD = "kubernetes"


def validate(obj: Obj) -> Errors:
    """What is wrong with a Namespace."""
    errors: Errors = []
    here = FieldPath("spec.finalizers")
    for finalizer in (obj.get("spec") or {}).get("finalizers") or ():
        problems = names.qualified_name_problems(finalizer)
        errors.extend(invalid(here, finalizer, problem) for problem in problems)
        if not problems and "/" not in finalizer and finalizer != _STANDARD:
            told = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(invalid(here, finalizer, told))
    return errors
