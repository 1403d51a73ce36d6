"""Nodes: a kubelet registers with a status, so a create keeps it."""

from __future__ import annotations

from dataclasses import replace

from apimachinery.objects.metadata import Obj
from apiserver.registry import generic
from apiserver.registry.strategy import Call, Strategy


def _create(obj: Obj, call: Call) -> None:
    del call
    _settle_networks(obj.setdefault("spec", {}))
    obj.setdefault("status", {})


def _update(new: Obj, old: Obj, call: Call) -> None:
    generic.keep_status(new, old, call)
    _settle_networks(new.setdefault("spec", {}))


def _settle_networks(spec: Obj) -> None:
    """The one network of pods is the first of all; where they contradict each other, the one counts."""
    network, networks = spec.get("podCIDR"), spec.get("podCIDRs") or []
    if network and (not networks or networks[0] != network):
        spec["podCIDRs"] = [network]
    elif networks and not network:
        spec["podCIDR"] = networks[0]


def strategy(base: Strategy) -> Strategy:
    """Return the strategy of nodes."""
    return replace(base, keeps_status=True, prepare_create=_create, prepare_update=_update)
