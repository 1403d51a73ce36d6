"""Events: one storage seen through two groups, core/v1 and events.k8s.io/v1."""

from __future__ import annotations

from dataclasses import replace

from apimachinery.objects.metadata import Obj
from apiserver.registry.strategy import Strategy

# events.k8s.io name -> core name, where they differ.
_RENAMED = {
    "note": "message",
    "regarding": "involvedObject",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "reportingController": "reportingComponent",
}
_BACK = {core: new for new, core in _RENAMED.items()}


async def to_core(obj: Obj) -> Obj:
    """Return an events.k8s.io Event as core Event."""
    return {**{_RENAMED.get(key, key): value for key, value in obj.items()}, "apiVersion": "v1", "kind": "Event"}


async def from_core(objs: list[Obj]) -> list[Obj]:
    """Return core Events as events.k8s.io Events."""
    return [
        {
            **{_BACK.get(key, key): value for key, value in obj.items()},
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
        }
        for obj in objs
    ]


_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


def _fields(obj: Obj) -> dict[str, str]:
    metadata = obj.get("metadata") or {}
    involved = obj.get("involvedObject") or obj.get("regarding") or {}
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    reporting = obj.get("reportingComponent") or obj.get("reportingController") or ""
    found = {
        "metadata.name": metadata.get("name", ""),
        "metadata.namespace": metadata.get("namespace", ""),
        "reason": obj.get("reason", ""),
        "type": obj.get("type", ""),
        "reportingComponent": reporting,
        "reportingController": reporting,
        "source": source.get("component") or reporting,
    }
    for key in _INVOLVED:
        found[f"involvedObject.{key}"] = found[f"regarding.{key}"] = str(involved.get(key) or "")
    return found


_NAMES = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "reason",
        "type",
        "reportingComponent",
        "reportingController",
        "source",
        *(f"involvedObject.{key}" for key in _INVOLVED),
        *(f"regarding.{key}" for key in _INVOLVED),
    }
)


def strategy(base: Strategy) -> Strategy:
    """Return the strategy of events of both groups."""
    return replace(base, selectable_fields=_fields, field_names=_NAMES)
