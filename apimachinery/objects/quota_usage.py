"""What an object uses of a ResourceQuota, and which quotas look at it (pure)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from apimachinery.objects import pods
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import parse_quantity

Usage = dict[str, Decimal]

_ONE: Final = Decimal(1)
_LEGACY_COUNTS: Final = frozenset({"configmaps", "secrets", "resourcequotas", "replicationcontrollers"})
_PLAIN: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
# What a Pod must state for each container once a quota limits it.
MUST_SPECIFY: Final = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})


def is_compute(resource: str) -> bool:
    """Tell whether a quota resource is summed from Pods' requests or limits."""
    return resource.startswith(("requests.", "limits.", "hugepages-")) or resource in _PLAIN


def _extended(name: str) -> bool:
    return "/" in name and not name.partition("/")[0].endswith("kubernetes.io")


def _pod_usage(pod: Obj) -> Usage:
    out: Usage = {"count/pods": _ONE}
    if pods.is_terminal(pod):
        return out
    out["pods"] = _ONE
    for name, value in pods.requests(pod).items():
        if name in _PLAIN or name.startswith("hugepages-"):
            out[name] = value
            out["requests." + name] = value
        elif _extended(name):
            out["requests." + name] = value
    for name, value in pods.limits(pod).items():
        if name in _PLAIN:
            out["limits." + name] = value
    return out


def _service_usage(service: Obj) -> Usage:
    spec = service.get("spec") or {}
    out: Usage = {"services": _ONE, "count/services": _ONE}
    kind = spec.get("type")
    ports = spec.get("ports") or []
    if kind == "NodePort":
        out["services.nodeports"] = Decimal(len(ports))
    elif kind == "LoadBalancer":
        allocated = spec.get("allocateLoadBalancerNodePorts")
        count = len(ports) if allocated is not False else sum(1 for port in ports if port.get("nodePort"))
        out["services.nodeports"] = Decimal(count)
        out["services.loadbalancers"] = _ONE
    return out


def _claim_usage(claim: Obj) -> Usage:
    spec = claim.get("spec") or {}
    out: Usage = {"persistentvolumeclaims": _ONE, "count/persistentvolumeclaims": _ONE}
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    annotations = (claim.get("metadata") or {}).get("annotations") or {}
    storage_class = annotations.get("volume.beta.kubernetes.io/storage-class") or spec.get("storageClassName")
    if storage_class:
        out[f"{storage_class}.storageclass.storage.k8s.io/persistentvolumeclaims"] = _ONE
    if size is not None:
        amount = parse_quantity(str(size))
        out["requests.storage"] = amount
        if storage_class:
            out[f"{storage_class}.storageclass.storage.k8s.io/requests.storage"] = amount
    return out


_EVALUATORS: Final[dict[str, Callable[[Obj], Usage]]] = {
    "pods": _pod_usage,
    "services": _service_usage,
    "persistentvolumeclaims": _claim_usage,
}


def usage(group_resource: str, obj: Obj) -> Usage:
    """Return what an object uses."""
    evaluator = _EVALUATORS.get(group_resource)
    if evaluator is not None:
        return evaluator(obj)
    out: Usage = {f"count/{group_resource}": _ONE}
    if group_resource in _LEGACY_COUNTS:
        out[group_resource] = _ONE
    return out


def _best_effort(pod: Obj) -> bool:
    return pods.qos_class(pod) == "BestEffort"


def _terminating(pod: Obj) -> bool:
    return (pod.get("spec") or {}).get("activeDeadlineSeconds") is not None


def _cross_namespace(pod: Obj) -> bool:
    affinity = (pod.get("spec") or {}).get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [term.get("podAffinityTerm") or {} for term in preferred]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def _priority_class(selector: Obj, obj: Obj) -> bool:
    name = (obj.get("spec") or {}).get("priorityClassName") or ""
    return _values_match(selector, name)


def _attributes_class(selector: Obj, obj: Obj) -> bool:
    names = {
        (obj.get("spec") or {}).get("volumeAttributesClassName"),
        (obj.get("status") or {}).get("currentVolumeAttributesClassName"),
    } - {None, ""}
    return any(_values_match(selector, str(name)) for name in names or {""})


def _values_match(selector: Obj, value: str) -> bool:
    operator, values = selector.get("operator", "Exists"), selector.get("values") or ()
    matched = {
        "Exists": bool(value),
        "DoesNotExist": not value,
        "In": value in values,
        "NotIn": value not in values,
    }
    return matched.get(operator, False)


_POD_SCOPES: Final[dict[str, Callable[[Obj], bool]]] = {
    "Terminating": _terminating,
    "NotTerminating": lambda pod: not _terminating(pod),
    "BestEffort": _best_effort,
    "NotBestEffort": lambda pod: not _best_effort(pod),
    "CrossNamespacePodAffinity": _cross_namespace,
}


def selectors(quota: Obj) -> list[Obj]:
    """Return all scope selectors of a quota."""
    spec = quota.get("spec") or {}
    out = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    return out + list((spec.get("scopeSelector") or {}).get("matchExpressions") or ())


def in_scope(quota: Obj, group_resource: str, obj: Obj) -> bool:
    """Tell whether a quota looks at an object at all."""
    for selector in selectors(quota):
        scope = selector.get("scopeName", "")
        if group_resource == "persistentvolumeclaims" and scope == "VolumeAttributesClass":
            if not _attributes_class(selector, obj):
                return False
            continue
        if group_resource != "pods":
            return False
        if scope == "PriorityClass":
            if not _priority_class(selector, obj):
                return False
            continue
        rule = _POD_SCOPES.get(scope)
        if rule is None:
            return False
        if rule(obj) is (selector.get("operator") == "DoesNotExist"):
            return False
    return True


def unspecified(hard: Obj, pod: Obj) -> str:
    """Return what containers must state because a quota limits it ("" when all do)."""
    required = MUST_SPECIFY & set(hard)
    if not required:
        return ""
    missing: dict[str, set[str]] = {}
    spec = pod.get("spec") or {}
    pod_level = spec.get("resources") or {}
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        resources = container.get("resources") or {}
        for name in required:
            part, _, resource = name.rpartition(".")
            stated = {**(pod_level.get(part or "requests") or {}), **(resources.get(part or "requests") or {})}
            if resource not in stated:
                missing.setdefault(name, set()).add(container.get("name", ""))
    if not missing:
        return ""
    return "must specify " + "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))


def written_like(group_resource: str, obj: Obj, resource: str) -> str:
    """Return a quantity of the object as written, so that sums keep its form."""
    name = resource.removeprefix("requests.").removeprefix("limits.")
    part = "limits" if resource.startswith("limits.") else "requests"
    spec: Any = obj.get("spec") or {}
    holders = [spec] if group_resource == "persistentvolumeclaims" else spec.get("containers") or ()
    for holder in holders:
        value = ((holder.get("resources") or {}).get(part) or {}).get(
            name.rpartition("/")[2] if "storage" in name else name
        )
        if value is not None:
            return str(value)
    return ""
