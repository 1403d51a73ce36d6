"""TaintNodesByCondition: a new Node is not ready until somebody says it is."""

from __future__ import annotations

from typing import Any, Final

from apiserver.admission.chain import CREATE, AdmissionAttributes, OnResources, PluginServices

_TAINT: Final = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class TaintNodesByCondition(OnResources):
    """The plugin."""

    name = "TaintNodesByCondition"
    on = frozenset({(CREATE, "nodes", "")})

    def __init__(self, services: PluginServices) -> None:
        del services

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Add the taint."""
        node: Any = attrs.object
        spec = node.setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any(taint.get("key") == _TAINT["key"] and taint.get("effect") == _TAINT["effect"] for taint in taints):
            spec["taints"] = [*taints, dict(_TAINT)]
