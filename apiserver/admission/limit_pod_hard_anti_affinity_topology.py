"""LimitPodHardAntiAffinityTopology (off by default): required anti-affinity is by host only."""

from __future__ import annotations

from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, OnResources, PluginServices

_HOST = "kubernetes.io/hostname"


class LimitPodHardAntiAffinityTopology(OnResources):
    """The plugin."""

    name = "LimitPodHardAntiAffinityTopology"
    on = frozenset({(CREATE, "pods", ""), (UPDATE, "pods", "")})

    def __init__(self, services: PluginServices) -> None:
        del services

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Refuse other topology keys."""
        affinity = ((attrs.object or {}).get("spec") or {}).get("affinity") or {}
        terms = (affinity.get("podAntiAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for term in terms:
            if term.get("topologyKey") != _HOST:
                raise attrs.forbidden(
                    "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey "
                    f"{term.get('topologyKey')} but only key {_HOST} is allowed"
                )
