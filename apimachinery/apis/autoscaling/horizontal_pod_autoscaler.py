"""HorizontalPodAutoscaler, v1 and v2."""

import copy
from typing import Any

from apimachinery.apis.autoscaling import scaling_rules
from apimachinery.apis.field_rules import Errors
from apimachinery.objects.field_path import FieldPath, invalid, required
from apimachinery.objects.metadata import Obj

_CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
_UP: dict[str, Any] = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN: dict[str, Any] = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def apply_defaults(obj: Obj) -> None:
    """Fill in an autoscaler, in place."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if obj.get("apiVersion") == "autoscaling/v2":
        if not spec.get("metrics"):
            spec["metrics"] = [copy.deepcopy(_CPU)]
        behavior = spec.get("behavior")
        if behavior is not None:
            for field, rules in (("scaleUp", _UP), ("scaleDown", _DOWN)):
                given = behavior.get(field) or {}
                behavior[field] = {**copy.deepcopy(rules), **given}
        obj["status"] = {"desiredReplicas": 0, **(obj.get("status") or {})}
    else:
        obj["status"] = {"currentReplicas": 0, "desiredReplicas": 0, **(obj.get("status") or {})}


_SPEC = FieldPath("spec")


def validate(obj: Obj) -> Errors:
    """What is wrong with an autoscaler."""
    spec = obj.get("spec") or {}
    errors: Errors = []
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if least is not None and least < 1:
        errors.append(invalid(_SPEC.child("minReplicas"), least, "must be greater than or equal to 1"))
    if most < 1:
        errors.append(invalid(_SPEC.child("maxReplicas"), most, "must be greater than 0"))
    if least is not None and most < least:
        errors.append(invalid(_SPEC.child("maxReplicas"), most, "must be greater than or equal to `minReplicas`"))
    target = spec.get("scaleTargetRef") or {}
    errors.extend(required(_SPEC.child("scaleTargetRef", field)) for field in ("kind", "name") if not target.get(field))
    for position, metric in enumerate(spec.get("metrics") or ()):
        errors.extend(scaling_rules.validate_metric(metric, _SPEC.child("metrics").index(position)))
    for field in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(field)
        if rules is not None:
            errors.extend(scaling_rules.validate_rules(rules, _SPEC.child("behavior", field)))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with an autoscaler that replaces another."""
    return [] if new.get("spec") == old.get("spec") else validate(new)
