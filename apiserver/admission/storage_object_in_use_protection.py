"""StorageObjectInUseProtection: volumes, claims and attribute classes get a finalizer that holds them while used."""

from __future__ import annotations

from typing import Any, Final

from apiserver.admission.chain import CREATE, AdmissionAttributes, OnResources, PluginServices

_CLASSES: Final = "volumeattributesclasses.storage.k8s.io"
FINALIZERS: Final = {
    "persistentvolumes": "kubernetes.io/pv-protection",
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    _CLASSES: "kubernetes.io/vac-protection",
}


class StorageObjectInUseProtection(OnResources):
    """The plugin."""

    name = "StorageObjectInUseProtection"
    on = frozenset((CREATE, resource, "") for resource in FINALIZERS)

    def __init__(self, services: PluginServices) -> None:
        del services

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Add the finalizer."""
        obj: Any = attrs.object
        finalizer = FINALIZERS[attrs.group_resource]
        present = obj["metadata"].get("finalizers") or []
        if finalizer not in present:
            obj["metadata"]["finalizers"] = [*present, finalizer]
