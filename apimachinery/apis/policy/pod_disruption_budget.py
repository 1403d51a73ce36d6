"""PodDisruptionBudget."""

from apimachinery.apis.field_rules import Errors, at_most_everything, label_selector, optional_one_of, percent_or_number
from apimachinery.objects.field_path import FieldPath, invalid
from apimachinery.objects.metadata import Obj

_STATUS = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}


def apply_defaults(obj: Obj) -> None:
    """Fill in a PodDisruptionBudget, in place."""
    obj.setdefault("spec", {})
    obj["status"] = {**_STATUS, **(obj.get("status") or {})}


_SPEC = FieldPath("spec")


def validate(obj: Obj) -> Errors:
    """What is wrong with a PodDisruptionBudget."""
    spec = obj.get("spec") or {}
    errors: Errors = []
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        errors.append(invalid(_SPEC, spec, "minAvailable and maxUnavailable cannot be both set"))
    for field in ("minAvailable", "maxUnavailable"):
        errors.extend(percent_or_number(spec.get(field), _SPEC.child(field)))
        errors.extend(at_most_everything(spec.get(field), _SPEC.child(field)))
    errors.extend(label_selector(spec.get("selector"), _SPEC.child("selector")))
    errors.extend(
        optional_one_of(
            spec.get("unhealthyPodEvictionPolicy"),
            _SPEC.child("unhealthyPodEvictionPolicy"),
            ("AlwaysAllow", "IfHealthyBudget"),
        )
    )
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a budget that replaces another."""
    return [] if new.get("spec") == old.get("spec") else validate(new)
