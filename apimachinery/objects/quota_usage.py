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
_STORAGE_CLASS: Final = ".storageclass.storage.k8s.io/"
_DEVICE_CLASS: Final = ".deviceclass.resource.k8s.io/devices"
# The most a claim for all devices can be given.
_MOST_DEVICES: Final = Decimal(32)
_PLAIN: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
# What a Pod must state for each container once a quota limits it.
MUST_SPECIFY: Final = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})


def is_compute(resource: str) -> bool:
    """Tell whether a quota resource is summed from Pods' requests or limits."""
    return resource.startswith(("requests.", "limits.", "hugepages-")) or resource in _PLAIN


def counted_resource(name: str) -> str:
    """Return the resource (`pods`, `deployments.apps`) whose objects a quota's resource counts."""
    if name.startswith("count/"):
        return name.removeprefix("count/")
    if name in ("persistentvolumeclaims", "requests.storage") or _STORAGE_CLASS in name:
        return "persistentvolumeclaims"
    if name.endswith(_DEVICE_CLASS):
        return "resourceclaims.resource.k8s.io"
    if name.partition(".")[0] == "services":
        return "services"
    return "pods" if name == "pods" or is_compute(name) else name


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
        out[f"{storage_class}{_STORAGE_CLASS}persistentvolumeclaims"] = _ONE
    if size is not None:
        # What was asked for and could not be had still counts until it is given back (KEP-1790).
        allocated = ((claim.get("status") or {}).get("allocatedResources") or {}).get("storage", "0")
        amount = max(parse_quantity(str(size)), parse_quantity(str(allocated)))
        out["requests.storage"] = amount
        if storage_class:
            out[f"{storage_class}{_STORAGE_CLASS}requests.storage"] = amount
    return out


def _devices(request: Obj) -> dict[str, Decimal]:
    name = request.get("deviceClassName")
    if not name:
        return {}
    count = _MOST_DEVICES if request.get("allocationMode") == "All" else Decimal(request.get("count") or 1)
    return {f"{name}{_DEVICE_CLASS}": count}


def _resource_claim_usage(claim: Obj) -> Usage:
    out: Usage = {"count/resourceclaims.resource.k8s.io": _ONE}
    for request in ((claim.get("spec") or {}).get("devices") or {}).get("requests") or ():
        # Of alternatives one is taken; the most any of them takes counts.
        wanted: Usage = {}
        for one in [request.get("exactly") or {}, *(request.get("firstAvailable") or ())]:
            for name, count in _devices(one).items():
                wanted[name] = max(wanted.get(name, count), count)
        for name, count in wanted.items():
            out[name] = out.get(name, Decimal(0)) + count
    return out


_EVALUATORS: Final[dict[str, Callable[[Obj], Usage]]] = {
    "pods": _pod_usage,
    "services": _service_usage,
    "persistentvolumeclaims": _claim_usage,
    "resourceclaims.resource.k8s.io": _resource_claim_usage,
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
    status = obj.get("status") or {}
    names = {
        (obj.get("spec") or {}).get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
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


def scope_matches(selector: Obj, group_resource: str, obj: Obj) -> bool:
    """Tell whether one scope selector is for an object; scopes are for Pods, one is for claims."""
    scope = selector.get("scopeName", "")
    if group_resource == "persistentvolumeclaims":
        return scope == "VolumeAttributesClass" and _attributes_class(selector, obj)
    if group_resource != "pods":
        return False
    if scope == "PriorityClass":
        return _priority_class(selector, obj)
    rule = _POD_SCOPES.get(scope)
    return rule is not None and rule(obj) is not (selector.get("operator") == "DoesNotExist")


def in_scope(quota: Obj, group_resource: str, obj: Obj) -> bool:
    """Tell whether a quota looks at an object at all."""
    return all(scope_matches(selector, group_resource, obj) for selector in selectors(quota))


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
    plain = resource.rpartition(_STORAGE_CLASS)[2]
    name = plain.removeprefix("requests.").removeprefix("limits.")
    part = "limits" if plain.startswith("limits.") else "requests"
    spec: Any = obj.get("spec") or {}
    holders = [spec] if group_resource == "persistentvolumeclaims" else spec.get("containers") or ()
    for holder in holders:
        value = ((holder.get("resources") or {}).get(part) or {}).get(name)
        if value is not None:
            return str(value)
    return ""
