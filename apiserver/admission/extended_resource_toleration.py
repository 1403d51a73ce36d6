"""ExtendedResourceToleration (off by default): Pods tolerate the taints of the extended resources they ask for."""

from __future__ import annotations

from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, OnResources, PluginServices


def _extended(name: str) -> bool:
    domain = name.partition("/")[0]
    return "/" in name and not domain.endswith("kubernetes.io") and not name.startswith("requests.")


class ExtendedResourceToleration(OnResources):
    """The plugin."""

    name = "ExtendedResourceToleration"
    on = frozenset({(CREATE, "pods", ""), (UPDATE, "pods", "")})

    def __init__(self, services: PluginServices) -> None:
        del services

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Add a toleration for each extended resource."""
        spec: Obj = (attrs.object or {}).get("spec") or {}
        asked = {
            name
            for kind in ("containers", "initContainers")
            for container in spec.get(kind) or ()
            for name in (container.get("resources") or {}).get("requests") or {}
            if _extended(name)
        }
        tolerations = spec.get("tolerations") or []
        wanted = [{"key": name, "operator": "Exists", "effect": "NoSchedule"} for name in sorted(asked)]
        missing = [toleration for toleration in wanted if toleration not in tolerations]
        if missing:
            spec["tolerations"] = [*tolerations, *missing]
