"""DaemonSet."""

from apimachinery.apis.apps.workloads import SPEC, same_spec, selector_unchanged, validate_workload
from apimachinery.apis.core.pod import apply_template_defaults
from apimachinery.apis.core.pod_warnings import template_warnings
from apimachinery.apis.field_rules import Errors, at_most_everything, one_of, percent_or_number
from apimachinery.objects.field_path import FieldPath, invalid, required
from apimachinery.objects.metadata import Obj

_STATUS = {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}


def apply_defaults(obj: Obj) -> None:
    """Fill in a DaemonSet, in place."""
    spec = obj.setdefault("spec", {})
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    apply_template_defaults(spec.get("template"))
    obj["status"] = {**_STATUS, **(obj.get("status") or {})}


def validate(obj: Obj) -> Errors:
    """What is wrong with a DaemonSet."""
    spec = obj.get("spec") or {}
    errors = validate_workload(spec, "DaemonSet")
    strategy = spec.get("updateStrategy") or {}
    here = SPEC.child("updateStrategy")
    errors.extend(one_of(strategy.get("type"), here.child("type"), ("OnDelete", "RollingUpdate")))
    if strategy.get("type") == "RollingUpdate":
        rolling = strategy.get("rollingUpdate")
        where = here.child("rollingUpdate")
        if rolling is None:
            return [*errors, required(where)]
        for field in ("maxUnavailable", "maxSurge"):
            errors.extend(percent_or_number(rolling.get(field), where.child(field)))
            errors.extend(at_most_everything(rolling.get(field), where.child(field)))
        unavailable, surge = rolling.get("maxUnavailable") in (0, "0%"), rolling.get("maxSurge") in (0, "0%")
        if unavailable and surge:
            told = "cannot be 0 when maxSurge is 0"
            errors.append(invalid(where.child("maxUnavailable"), rolling["maxUnavailable"], told))
        elif not unavailable and not surge:
            told = "may not be set when maxUnavailable is non-zero"
            errors.append(invalid(where.child("maxSurge"), rolling["maxSurge"], told))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a DaemonSet that replaces another."""
    if same_spec(new, old):
        return []
    return [*validate(new), *selector_unchanged(new, old)]


def warnings(obj: Obj) -> list[str]:
    """What is to be said of a DaemonSet's pods."""
    return template_warnings((obj.get("spec") or {}).get("template"), FieldPath("spec.template"))
