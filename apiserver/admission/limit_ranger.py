"""LimitRanger: defaults for containers, and the bounds of Pods, containers and claims in a namespace.

The judgement (`problems`) is pure; quantities are compared exactly and shown as they were written.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from apimachinery.objects import pods
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import format_quantity, parse_quantity
from apimachinery.objects.quota_usage import written_like
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, OnResources, PluginServices

_ANNOTATION: Final = "kubernetes.io/limit-ranger"


def _value(quantity: Any) -> Decimal:
    return Decimal(parse_quantity(str(quantity)))


def default_container_resources(limit: Obj) -> tuple[Obj, Obj]:
    """Return (requests, limits) that containers get from one LimitRange when they have none."""
    requests: Obj = {}
    maxima: Obj = {}
    for item in (limit.get("spec") or {}).get("limits") or ():
        if item.get("type") == "Container":
            requests.update(item.get("defaultRequest") or {})
            maxima.update(item.get("default") or {})
    return requests, maxima


def _fill(container: Obj, requests: Obj, limits: Obj) -> list[str]:
    resources = container.get("resources") or {}
    told: list[str] = []
    for part, defaults in (("limits", limits), ("requests", requests)):
        have = dict(resources.get(part) or {})
        added = sorted(key for key in defaults if key not in have)
        if added:
            have.update({key: defaults[key] for key in added})
            resources[part] = have
            word = part.removesuffix("s")
            told.append(f"{', '.join(added)} {word} for {{}} {container.get('name', '')}")
    if told:
        container["resources"] = resources
    # Requests are told before limits.
    return told[::-1]


def fill_pod(pod: Obj, limit: Obj) -> None:
    """Give containers the default requests and limits of a LimitRange, and note what was done."""
    requests, maxima = default_container_resources(limit)
    if not requests and not maxima:
        return
    told: list[str] = []
    spec = pod["spec"]
    for kind, word in (("containers", "container"), ("initContainers", "init container")):
        for container in spec.get(kind) or ():
            told += [text.format(word) for text in _fill(container, requests, maxima)]
    if told:
        metadata = pod["metadata"]
        note = "LimitRanger plugin set: " + "; ".join(told)
        metadata["annotations"] = {**(metadata.get("annotations") or {}), _ANNOTATION: note}


def _minimum(kind: str, resource: str, bound: str, request: Any, limit: Any) -> str:
    if request is None:
        return f"minimum {resource} usage per {kind} is {bound}.  No request is specified"
    if _value(request) < _value(bound):
        return f"minimum {resource} usage per {kind} is {bound}, but request is {request}"
    if limit is not None and _value(limit) < _value(bound):
        return f"minimum {resource} usage per {kind} is {bound}, but limit is {limit}"
    return ""


def _maximum(kind: str, resource: str, bound: str, request: Any, limit: Any) -> str:
    if limit is None:
        return f"maximum {resource} usage per {kind} is {bound}.  No limit is specified"
    if _value(limit) > _value(bound):
        return f"maximum {resource} usage per {kind} is {bound}, but limit is {limit}"
    if request is not None and _value(request) > _value(bound):
        return f"maximum {resource} usage per {kind} is {bound}, but request is {request}"
    return ""


def _maximum_request(kind: str, resource: str, bound: str, request: Any, _limit: Any) -> str:
    if request is None:
        return f"maximum {resource} usage per {kind} is {bound}.  No request is specified"
    if _value(request) > _value(bound):
        return f"maximum {resource} usage per {kind} is {bound}, but request is {request}"
    return ""


def _ratio(kind: str, resource: str, bound: str, request: Any, limit: Any) -> str:
    text = f"{resource} max limit to request ratio per {kind} is {bound}"
    if request is None or not _value(request):
        return f"{text}, but no request is specified or request is 0"
    if limit is None or not _value(limit):
        return f"{text}, but no limit is specified or limit is 0"
    ratio = _value(limit) / _value(request)
    return f"{text}, but provided ratio is {float(ratio):f}" if ratio > _value(bound) else ""


def _check(item: Obj, kind: str, requests: Obj, limits: Obj) -> Iterator[str]:
    maximum = _maximum_request if kind == "PersistentVolumeClaim" else _maximum
    for part, rule in (("min", _minimum), ("max", maximum), ("maxLimitRequestRatio", _ratio)):
        for resource, bound in (item.get(part) or {}).items():
            problem = rule(kind, resource, str(bound), requests.get(resource), limits.get(resource))
            if problem:
                yield problem


def _pod_total(pod: Obj, kind: str) -> Obj:
    return {
        key: format_quantity(value, like=written_like("pods", pod, f"{kind}.{key}"))
        for key, value in pods.resources(pod, kind, overhead=False).items()
    }


def problems(group_resource: str, obj: Obj, limit: Obj) -> list[str]:
    """Return every bound of a LimitRange that the object breaks."""
    out: list[str] = []
    spec = obj.get("spec") or {}
    for item in (limit.get("spec") or {}).get("limits") or ():
        kind = item.get("type")
        if group_resource == "persistentvolumeclaims":
            if kind == "PersistentVolumeClaim":
                out += _check(item, kind, (spec.get("resources") or {}).get("requests") or {}, {})
            continue
        if kind == "Container":
            for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
                resources = container.get("resources") or {}
                out += _check(item, kind, resources.get("requests") or {}, resources.get("limits") or {})
        elif kind == "Pod":
            out += _check(item, kind, _pod_total(obj, "requests"), _pod_total(obj, "limits"))
    return out


class LimitRanger(OnResources):
    """The plugin."""

    name = "LimitRanger"
    on = frozenset(
        {
            (CREATE, "pods", ""),
            (UPDATE, "pods", "resize"),
            (CREATE, "persistentvolumeclaims", ""),
            (UPDATE, "persistentvolumeclaims", ""),
        }
    )

    def __init__(self, services: PluginServices) -> None:
        self._limits = services.listers("limitranges")

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Fill in defaults; what one LimitRange gave, the next leaves."""
        if attrs.operation == CREATE and attrs.group_resource == "pods" and attrs.object is not None:
            for limit in self._limits.list(attrs.namespace):
                fill_pod(attrs.object, limit)

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Judge; the first LimitRange that refuses is the answer."""
        if attrs.object is None or _leaving(attrs):
            return
        for limit in self._limits.list(attrs.namespace):
            found = list(dict.fromkeys(problems(attrs.group_resource, attrs.object, limit)))
            if found:
                raise attrs.forbidden(found[0] if len(found) == 1 else f"[{', '.join(found)}]")


def _leaving(attrs: AdmissionAttributes) -> bool:
    return bool(((attrs.old_object or {}).get("metadata") or {}).get("deletionTimestamp"))
