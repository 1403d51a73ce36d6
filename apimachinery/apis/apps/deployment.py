"""Deployment."""

from apimachinery.apis.apps.workloads import SPEC, same_spec, selector_unchanged, validate_workload
from apimachinery.apis.core.pod import apply_template_defaults
from apimachinery.apis.core.pod_warnings import template_warnings
from apimachinery.apis.field_rules import Errors, at_most_everything, non_negative, one_of, percent_or_number
from apimachinery.objects.field_path import FieldPath, forbidden, invalid
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a Deployment, in place."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    apply_template_defaults(spec.get("template"))
    obj.setdefault("status", {})


def validate(obj: Obj) -> Errors:
    """What is wrong with a Deployment."""
    spec = obj.get("spec") or {}
    errors = validate_workload(spec)
    strategy = spec.get("strategy") or {}
    here = SPEC.child("strategy")
    errors.extend(one_of(strategy.get("type"), here.child("type"), ("Recreate", "RollingUpdate")))
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "Recreate" and rolling is not None:
        told = "may not be specified when strategy `type` is 'Recreate'"
        errors.append(forbidden(here.child("rollingUpdate"), told))
    elif rolling:
        where = here.child("rollingUpdate")
        for field in ("maxUnavailable", "maxSurge"):
            errors.extend(percent_or_number(rolling.get(field), where.child(field)))
        errors.extend(at_most_everything(rolling.get("maxUnavailable"), where.child("maxUnavailable")))
        if rolling.get("maxUnavailable") in (0, "0%") and rolling.get("maxSurge") in (0, "0%"):
            told = "may not be 0 when `maxSurge` is 0"
            errors.append(invalid(where.child("maxUnavailable"), rolling["maxUnavailable"], told))
    deadline = spec.get("progressDeadlineSeconds")
    errors.extend(non_negative(deadline, SPEC.child("progressDeadlineSeconds")))
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        told = "must be greater than minReadySeconds"
        errors.append(invalid(SPEC.child("progressDeadlineSeconds"), deadline, told))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a Deployment that replaces another."""
    if same_spec(new, old):
        return []
    return [*validate(new), *selector_unchanged(new, old)]


def warnings(obj: Obj) -> list[str]:
    """What is to be said of a Deployment's pods."""
    return template_warnings((obj.get("spec") or {}).get("template"), FieldPath("spec.template"))
