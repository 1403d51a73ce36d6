"""PersistentVolumes and claims: both start Pending."""

from __future__ import annotations

from dataclasses import replace

from apimachinery.objects.metadata import Obj
from apiserver.registry.strategy import Call, Strategy


def _pending(obj: Obj, call: Call) -> None:
    del call
    obj["status"] = {"phase": "Pending"}


def volume_strategy(base: Strategy) -> Strategy:
    """Return the strategy of volumes."""
    return replace(base, prepare_create=_pending)


def claim_strategy(base: Strategy) -> Strategy:
    """Return the strategy of claims."""
    return replace(base, prepare_create=_pending)
