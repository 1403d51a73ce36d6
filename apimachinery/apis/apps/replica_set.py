"""ReplicaSet."""

from apimachinery.apis.apps.workloads import same_spec, selector_unchanged, validate_workload
from apimachinery.apis.core.pod import apply_template_defaults
from apimachinery.apis.core.pod_warnings import template_warnings
from apimachinery.apis.field_rules import Errors
from apimachinery.objects.field_path import FieldPath
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a ReplicaSet, in place."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    apply_template_defaults(spec.get("template"))
    obj.setdefault("status", {"replicas": 0})


def validate(obj: Obj) -> Errors:
    """What is wrong with a ReplicaSet."""
    return validate_workload(obj.get("spec") or {})


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a ReplicaSet that replaces another."""
    if same_spec(new, old):
        return []
    return [*validate(new), *selector_unchanged(new, old)]


def warnings(obj: Obj) -> list[str]:
    """What is to be said of a ReplicaSet's pods."""
    return template_warnings((obj.get("spec") or {}).get("template"), FieldPath("spec.template"))
