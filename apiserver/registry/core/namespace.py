"""Namespaces: they stay until the finalizers in their spec are gone, which the namespace controller removes."""

from __future__ import annotations

from dataclasses import replace

from apimachinery.objects.metadata import Obj
from apiserver.registry import generic
from apiserver.registry.strategy import Call, Strategy, Subresource

_KUBERNETES = "kubernetes"
_NAME_LABEL = "kubernetes.io/metadata.name"


def _create(obj: Obj, call: Call) -> None:
    del call
    obj["status"] = {"phase": "Active"}
    spec = obj.setdefault("spec", {})
    finalizers = spec.get("finalizers") or []
    if _KUBERNETES not in finalizers:
        spec["finalizers"] = [*finalizers, _KUBERNETES]
    _label(obj)


def _label(obj: Obj) -> None:
    labels = obj["metadata"].setdefault("labels", {})
    labels[_NAME_LABEL] = obj["metadata"].get("name", "")


def _update(new: Obj, old: Obj, call: Call) -> None:
    generic.keep_status(new, old, call)
    spec = new.setdefault("spec", {})
    spec["finalizers"] = (old.get("spec") or {}).get("finalizers") or []
    if not spec["finalizers"]:
        del spec["finalizers"]
    _label(new)


def _finalize(new: Obj, old: Obj, call: Call) -> None:
    """The only way to change spec.finalizers; nothing else changes."""
    generic.keep_status(new, old, call)
    finalizers = (new.get("spec") or {}).get("finalizers") or []
    kept = {key: value for key, value in (old.get("spec") or {}).items() if key != "finalizers"}
    new["spec"] = {**kept, "finalizers": finalizers} if finalizers else kept


def _finalized(obj: Obj) -> bool:
    return not (obj.get("spec") or {}).get("finalizers")


def _status(new: Obj, old: Obj, call: Call) -> None:
    generic.only_status(new, old, call)
    if not new["metadata"].get("deletionTimestamp") and isinstance(new.get("status"), dict):
        new["status"].setdefault("phase", "Active")


def _mark_terminating(obj: Obj) -> None:
    obj.setdefault("status", {})["phase"] = "Terminating"


def strategy(base: Strategy) -> Strategy:
    """Return the strategy of namespaces."""
    return replace(
        base,
        prepare_create=_create,
        prepare_update=_update,
        finalized=_finalized,
        marked=_mark_terminating,
        subresources={"status": Subresource(prepare=_status), "finalize": Subresource(prepare=_finalize)},
    )
