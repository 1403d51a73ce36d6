"""HorizontalPodAutoscaler: v2 is stored; v1 shows the CPU target as a field and the rest in annotations. Pure."""

from __future__ import annotations

import orjson

from apimachinery.objects.metadata import Obj

_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"


def _is_cpu(metric: Obj) -> bool:
    resource = metric.get("resource") or {}
    target = resource.get("target") or {}
    return metric.get("type") == "Resource" and resource.get("name") == "cpu" and target.get("type") == "Utilization"


def _annotation(obj: Obj, name: str) -> object:
    text = (obj["metadata"].get("annotations") or {}).pop(name, None)
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None


def to_v2(obj: Obj) -> Obj:
    """Return a v1 object as v2."""
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    metrics = _annotation(obj, _METRICS)
    found = list(metrics) if isinstance(metrics, list) else []
    cpu = spec.pop("targetCPUUtilizationPercentage", None)
    if cpu is not None:
        target = {"type": "Utilization", "averageUtilization": cpu}
        found.insert(0, {"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if found:
        spec["metrics"] = found
    behavior = _annotation(obj, _BEHAVIOR)
    if isinstance(behavior, dict):
        spec["behavior"] = behavior
    current = status.pop("currentCPUUtilizationPercentage", None)
    if current is not None:
        shown = {"name": "cpu", "current": {"averageUtilization": current}}
        status["currentMetrics"] = [{"type": "Resource", "resource": shown}]
    result = {**obj, "apiVersion": "autoscaling/v2", "spec": spec}
    if status:
        result["status"] = status
    return result


def from_v2(obj: Obj) -> Obj:
    """Return a v2 object as v1."""
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    annotations = dict(obj["metadata"].get("annotations") or {})
    rest = []
    for metric in spec.pop("metrics", None) or []:
        if _is_cpu(metric) and "targetCPUUtilizationPercentage" not in spec:
            spec["targetCPUUtilizationPercentage"] = metric["resource"]["target"].get("averageUtilization")
        else:
            rest.append(metric)
    if rest:
        annotations[_METRICS] = orjson.dumps(rest).decode()
    behavior = spec.pop("behavior", None)
    if behavior:
        annotations[_BEHAVIOR] = orjson.dumps(behavior).decode()
    for metric in status.pop("currentMetrics", None) or []:
        resource = metric.get("resource") or {}
        if resource.get("name") == "cpu":
            status["currentCPUUtilizationPercentage"] = (resource.get("current") or {}).get("averageUtilization")
    status.pop("conditions", None)
    metadata = {**obj["metadata"], "annotations": annotations} if annotations else obj["metadata"]
    result = {**obj, "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec}
    if status:
        result["status"] = status
    return result
