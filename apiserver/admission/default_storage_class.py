"""DefaultStorageClass: claims that name no class get the default one."""

from __future__ import annotations

from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, AdmissionAttributes, OnResources, PluginServices

_MARKS: Final = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
_BETA: Final = "volume.beta.kubernetes.io/storage-class"


def is_default(storage_class: Obj) -> bool:
    """Tell whether a class is marked default."""
    annotations = storage_class["metadata"].get("annotations") or {}
    return any(annotations.get(mark) == "true" for mark in _MARKS)


def newest(found: list[Obj]) -> Obj | None:
    """Return the newest object; among equals the first by name."""
    ordered = sorted(found, key=lambda obj: str(obj["metadata"]["name"]))
    return max(ordered, key=lambda obj: str(obj["metadata"].get("creationTimestamp", "")), default=None)


class DefaultStorageClass(OnResources):
    """The plugin."""

    name = "DefaultStorageClass"
    on = frozenset({(CREATE, "persistentvolumeclaims", "")})

    def __init__(self, services: PluginServices) -> None:
        self._classes = services.listers("storageclasses.storage.k8s.io")

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Name the default class."""
        claim: Any = attrs.object
        spec = claim.setdefault("spec", {})
        if spec.get("storageClassName") is not None or _BETA in (claim["metadata"].get("annotations") or {}):
            return
        chosen = newest([found for found in self._classes.list() if is_default(found)])
        if chosen is not None:
            spec["storageClassName"] = chosen["metadata"]["name"]
