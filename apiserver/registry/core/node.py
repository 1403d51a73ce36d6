"""Nodes: a kubelet registers with a status, so a create keeps it."""

from __future__ import annotations

from dataclasses import replace

from apimachinery.objects.metadata import Obj
from apiserver.registry import generic
from apiserver.registry.strategy import Call, Strategy


def _create(obj: Obj, call: Call) -> None:
    del call
    obj.setdefault("spec", {})
    obj.setdefault("status", {})


def strategy(base: Strategy) -> Strategy:
    """Return the strategy of nodes."""
    return replace(base, keeps_status=True, prepare_create=_create, prepare_update=generic.keep_status)
