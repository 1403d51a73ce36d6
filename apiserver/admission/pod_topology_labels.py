"""PodTopologyLabels: a Pod learns zone and region of the Node it is bound to (KEP-4742)."""

from __future__ import annotations

from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, AdmissionAttributes, OnResources, PluginServices

_LABELS: Final = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class PodTopologyLabels(OnResources):
    """The plugin."""

    name = "PodTopologyLabels"
    on = frozenset({(CREATE, "pods", "binding"), (CREATE, "pods", "")})

    def __init__(self, services: PluginServices) -> None:
        self._nodes = services.listers("nodes")

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Copy the labels; on a Binding they reach the Pod with it."""
        obj: Any = attrs.object
        where, field = ("target", "name") if attrs.subresource else ("spec", "nodeName")
        name = (obj.get(where) or {}).get(field)
        node: Obj | None = self._nodes.get(None, name) if name else None
        if node is None:
            return
        labels = node["metadata"].get("labels") or {}
        copied = {label: labels[label] for label in _LABELS if label in labels}
        if copied:
            metadata = obj.setdefault("metadata", {})
            metadata["labels"] = {**(metadata.get("labels") or {}), **copied}
