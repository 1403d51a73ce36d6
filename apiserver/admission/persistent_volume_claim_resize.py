"""PersistentVolumeClaimResize: claims grow only where their class lets them."""

from __future__ import annotations

from typing import Any

from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import parse_quantity
from apiserver.admission.chain import UPDATE, AdmissionAttributes, OnResources, PluginServices


def _size(claim: Obj) -> Any:
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return parse_quantity(str(requests.get("storage", "0")))


class PersistentVolumeClaimResize(OnResources):
    """The plugin."""

    name = "PersistentVolumeClaimResize"
    on = frozenset({(UPDATE, "persistentvolumeclaims", "")})

    def __init__(self, services: PluginServices) -> None:
        self._classes = services.listers("storageclasses.storage.k8s.io")

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Refuse growth of bound claims without an expandable class."""
        new, old = attrs.object, attrs.old_object
        if new is None or old is None or _size(new) <= _size(old):
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            raise attrs.forbidden("Only bound persistent volume claims can be expanded")
        name = (new.get("spec") or {}).get("storageClassName")
        found = self._classes.get(None, name) if name else None
        if found is None or not found.get("allowVolumeExpansion"):
            raise attrs.forbidden(
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc "
                "must support resize"
            )
