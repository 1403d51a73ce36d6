"""LimitRanger: defaults for containers, and the bounds of Pods, containers and claims in a namespace.

The judgement (`problems`) is pure; quantities are compared exactly and shown as they were written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import parse_quantity
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, OnResources, PluginServices

_ANNOTATION: Final = "kubernetes.io/limit-ranger"


def _value(quantity: Any) -> Decimal:
    return Decimal(parse_quantity(str(quantity)))


def default_container_resources(limits: Iterable[Obj]) -> tuple[Obj, Obj]:
    """Return (requests, limits) that containers get when they have none."""
    requests: Obj = {}
    maxima: Obj = {}
    for limit in limits:
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


def fill_pod(pod: Obj, limits: list[Obj]) -> None:
    """Give containers the namespace's default requests and limits, and note what was done."""
    requests, maxima = default_container_resources(limits)
    if not requests and not maxima:
        return
    told: list[str] = []
    spec = pod["spec"]
    for kind, word in (("containers", "container"), ("initContainers", "init container")):
        for container in spec.get(kind) or ():
            told += [text.format(word) for text in _fill(container, requests, maxima)]
    if told:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[_ANNOTATION] = "LimitRanger plugin set: " + "; ".join(told)


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
    return f"{text}, but provided ratio is {ratio:f}" if ratio > _value(bound) else ""


def _check(item: Obj, kind: str, requests: Obj, limits: Obj) -> Iterator[str]:
    maximum = _maximum_request if kind == "PersistentVolumeClaim" else _maximum
    for part, rule in (("min", _minimum), ("max", maximum), ("maxLimitRequestRatio", _ratio)):
        for resource, bound in (item.get(part) or {}).items():
            problem = rule(kind, resource, str(bound), requests.get(resource), limits.get(resource))
            if problem:
                yield problem


def _sum(target: Obj, more: Obj) -> None:
    for key, value in more.items():
        target[key] = _value(target.get(key, 0)) + _value(value)


def _pod_totals(spec: Obj) -> tuple[Obj, Obj]:
    totals: tuple[Obj, Obj] = ({}, {})
    for total, part in zip(totals, ("requests", "limits"), strict=True):
        own = (spec.get("resources") or {}).get(part) or {}
        for container in spec.get("containers") or ():
            _sum(total, (container.get("resources") or {}).get(part) or {})
        for container in spec.get("initContainers") or ():
            needs = (container.get("resources") or {}).get(part) or {}
            if container.get("restartPolicy") == "Always":
                _sum(total, needs)
                continue
            for key, value in needs.items():
                if _value(value) > _value(total.get(key, 0)):
                    total[key] = value
        total.update(own)
    return totals


def _shown(resources: Obj) -> Obj:
    from apimachinery.objects.quantity import format_quantity

    return {key: format_quantity(value) if isinstance(value, Decimal) else value for key, value in resources.items()}


def problems(group_resource: str, obj: Obj, limits: list[Obj]) -> list[str]:
    """Return every bound the object breaks."""
    out: list[str] = []
    spec = obj.get("spec") or {}
    for limit in limits:
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
                requests, maxima = _pod_totals(spec)
                out += _check(item, kind, _shown(requests), _shown(maxima))
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
        """Fill in defaults."""
        if attrs.operation == CREATE and attrs.group_resource == "pods" and attrs.object is not None:
            limits = self._limits.list(attrs.namespace)
            if limits:
                fill_pod(attrs.object, limits)

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Judge."""
        limits = self._limits.list(attrs.namespace)
        if not limits or attrs.object is None:
            return
        if (attrs.object.get("metadata") or {}).get("deletionTimestamp"):
            return
        found = problems(attrs.group_resource, attrs.object, limits)
        if found:
            unique = list(dict.fromkeys(found))
            raise attrs.forbidden(unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]")
