"""PersistentVolume."""

from apimachinery.apis.core import volume
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a PersistentVolume, in place."""
    spec = obj.setdefault("spec", {})
    if not spec.get("persistentVolumeReclaimPolicy"):
        spec["persistentVolumeReclaimPolicy"] = "Retain"
    spec.setdefault("volumeMode", "Filesystem")
    for field in ("hostPath", "iscsi", "rbd", "azureDisk"):
        if field in spec:
            volume.apply_defaults({field: spec[field]})
    if not obj.setdefault("status", {}).get("phase"):
        obj["status"]["phase"] = "Pending"
