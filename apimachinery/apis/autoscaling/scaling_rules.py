"""Metrics and behavior of an autoscaler (v2): validation."""

from apimachinery.apis.field_rules import Errors, label_selector, positive, positive_quantity
from apimachinery.objects.field_path import FieldPath, forbidden, invalid, not_supported, required
from apimachinery.objects.metadata import Obj

# What a metric of each type must have filled in, beside its target.
_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_TARGETS = ("AverageValue", "Utilization", "Value")
_MOST_WINDOW, _MOST_PERIOD = 3600, 1800


def validate_metric(metric: Obj, path: FieldPath) -> Errors:
    """What is wrong with one metric."""
    kind = metric.get("type")
    if not kind:
        return [required(path.child("type"), "must specify a metric source type")]
    if kind not in _SOURCES:
        return [not_supported(path.child("type"), kind, sorted(_SOURCES))]
    wanted = _SOURCES[kind]
    given = [field for field in _SOURCES.values() if metric.get(field) is not None]
    if wanted not in given:
        return [required(path.child(wanted), "must populate information for the given metric source")]
    errors: Errors = [
        forbidden(path.child(field), "must populate the given metric source only") for field in given if field != wanted
    ]
    return [*errors, *_source(wanted, metric[wanted], path.child(wanted))]


def _source(kind: str, source: Obj, path: FieldPath) -> Errors:
    target, here = source.get("target") or {}, path.child("target")
    errors = _target(target, here)
    if kind in ("resource", "containerResource"):
        if not source.get("name"):
            errors.append(required(path.child("name"), "must specify a resource name"))
        if kind == "containerResource" and not source.get("container"):
            errors.append(required(path.child("container"), "must specify a container"))
        percent, value = target.get("averageUtilization"), target.get("averageValue")
        if percent is None and value is None:
            told = "must set either a target raw value or a target utilization"
            errors.append(required(here.child("averageUtilization"), told))
        elif percent is not None and value is not None:
            told = "may not set both a target raw value and a target utilization"
            errors.append(forbidden(here.child("averageValue"), told))
        return errors
    metric = source.get("metric") or {}
    if not metric.get("name"):
        errors.append(required(path.child("metric", "name"), "must specify a metric name"))
    errors.extend(label_selector(metric.get("selector"), path.child("metric", "selector")))
    if kind == "object":
        about, where = source.get("describedObject") or {}, path.child("describedObject")
        errors.extend(required(where.child(field)) for field in ("kind", "name") if not about.get(field))
    if kind == "pods" and target.get("averageValue") is None:
        errors.append(required(here.child("averageValue"), "must specify a positive target averageValue"))
    elif target.get("value") is None and target.get("averageValue") is None:
        told = "must set either a target value for metric or a per-pod target"
        errors.append(required(here.child("averageValue"), told))
    elif kind == "external" and target.get("value") is not None and target.get("averageValue") is not None:
        told = "may not set both a target value for metric and a per-pod target"
        errors.append(forbidden(here.child("value"), told))
    return errors


def _target(target: Obj, path: FieldPath) -> Errors:
    kind = target.get("type")
    if not kind:
        return [required(path.child("type"), "must specify a metric target type")]
    errors: Errors = []
    if kind not in _TARGETS:
        told = "must be either Utilization, Value, or AverageValue"
        errors.append(invalid(path.child("type"), kind, told))
    for field in ("value", "averageValue"):
        if target.get(field) is not None and positive_quantity(target[field], path.child(field)):
            errors.append(invalid(path.child(field), target[field], "must be positive"))
    percent = target.get("averageUtilization")
    return [*errors, *positive(percent, path.child("averageUtilization"), "must be greater than 0")]


def validate_rules(rules: Obj, path: FieldPath) -> Errors:
    """What is wrong with how fast it may scale in one direction."""
    errors: Errors = []
    window, here = rules.get("stabilizationWindowSeconds"), path.child("stabilizationWindowSeconds")
    if window is not None and window < 0:
        errors.append(invalid(here, window, "must be greater than or equal to zero"))
    elif window is not None and window > _MOST_WINDOW:
        errors.append(invalid(here, window, f"must be less than or equal to {_MOST_WINDOW}"))
    policy = rules.get("selectPolicy")
    if policy not in (None, "Disabled", "Max", "Min"):
        errors.append(not_supported(path.child("selectPolicy"), policy, ("Disabled", "Max", "Min")))
    policies = rules.get("policies") or []
    if not policies:
        errors.append(required(path.child("policies"), "must specify at least one Policy"))
    for position, one in enumerate(policies):
        where = path.child("policies").index(position)
        if one.get("type") not in ("Percent", "Pods"):
            errors.append(not_supported(where.child("type"), one.get("type") or "", ("Percent", "Pods")))
        errors.extend(positive(one.get("value") or 0, where.child("value")))
        seconds = one.get("periodSeconds") or 0
        errors.extend(positive(seconds, where.child("periodSeconds")))
        if seconds > _MOST_PERIOD:
            told = f"must be less than or equal to {_MOST_PERIOD}"
            errors.append(invalid(where.child("periodSeconds"), seconds, told))
    return errors
