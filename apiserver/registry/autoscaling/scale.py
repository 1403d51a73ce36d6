"""The scale subresource: one number of a workload, seen as `autoscaling/v1 Scale`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apimachinery.objects.metadata import Obj
from apimachinery.objects.selectors import from_label_selector, from_map
from apimachinery.resources import Resource


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where a kind keeps its replicas; `selector` may be empty."""

    spec: tuple[str, ...] = ("spec", "replicas")
    status: tuple[str, ...] = ("status", "replicas")
    selector: tuple[str, ...] = ("spec", "selector")


def paths_of(resource: Resource, crd_scale: Any) -> ScalePaths | None:
    """Return where a resource keeps its replicas; None when it has no scale."""
    if crd_scale:
        return ScalePaths(
            _split(crd_scale.get("specReplicasPath")),
            _split(crd_scale.get("statusReplicasPath")),
            _split(crd_scale.get("labelSelectorPath")),
        )
    return ScalePaths() if "scale" in resource.subresources else None


def _split(path: str | None) -> tuple[str, ...]:
    return tuple(part for part in (path or "").split(".") if part)


def _read(obj: Obj, path: tuple[str, ...]) -> Any:
    value: Any = obj
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if path else None


def has_replicas(obj: Obj, paths: ScalePaths) -> bool:
    """Tell whether an object says how many replicas it wants."""
    return _read(obj, paths.spec) is not None


def _selector_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return ""
    if value and all(isinstance(one, str) for one in value.values()):
        return str(from_map(value))
    return str(from_label_selector(value))


_KEPT_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def to_scale(obj: Obj, paths: ScalePaths) -> Obj:
    """Return an object's Scale."""
    metadata = obj["metadata"]
    replicas = _read(obj, paths.spec)
    status: Obj = {"replicas": _read(obj, paths.status) or 0}
    selector = _selector_text(_read(obj, paths.selector))
    if selector:
        status["selector"] = selector
    spec: Obj = {"replicas": replicas} if replicas else {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in _KEPT_METADATA if key in metadata},
        "spec": spec,
        "status": status,
    }


def apply_scale(obj: Obj, replicas: int, paths: ScalePaths) -> None:
    """Write the replicas into the object."""
    target = obj
    for part in paths.spec[:-1]:
        target = target.setdefault(part, {})
    target[paths.spec[-1]] = replicas
