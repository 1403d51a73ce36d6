"""What the provisioner decides: which claims get a volume, what it looks like, which volumes go.

Pure. Volumes are directories below one root, as minikube's own provisioner makes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apimachinery.objects.metadata import Obj

PROVISIONER = "k8s.io/minikube-hostpath"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def default_storage_class() -> Obj:
    """The class `standard`, which claims without a class get."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": {_DEFAULT_CLASS: "true"},
            "labels": {"addonmanager.kubernetes.io/mode": "EnsureExists"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }


def needs_volume(claim: Obj, storage_class: Obj | None) -> bool:
    """Whether a claim waits for us: our class, no volume, and a node if its class waits for one."""
    meta, spec = claim["metadata"], claim.get("spec") or {}
    if storage_class is None or storage_class.get("provisioner") != PROVISIONER:
        return False
    if spec.get("volumeName") or spec.get("selector") or meta.get("deletionTimestamp"):
        return False
    if spec.get("volumeMode") == "Block":
        return False
    waits = storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"
    return not waits or bool((meta.get("annotations") or {}).get(SELECTED_NODE))


def volume_name(claim: Obj) -> str:
    """The volume's name, which tells its claim and makes a second attempt find the first one's work."""
    return f"pvc-{claim['metadata']['uid']}"


def volume_path(root: str, claim: Obj) -> str:
    """The directory of a claim's volume; names of the API hold no slashes and no dots alone."""
    meta = claim["metadata"]
    return f"{root.rstrip('/')}/{meta['namespace']}/{meta['name']}-{meta['uid']}"


def new_volume(claim: Obj, storage_class: Obj, root: str) -> Obj:
    """The volume for a claim, reserved for it."""
    meta, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(claim), "annotations": {PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": ((spec.get("resources") or {}).get("requests") or {}).get("storage", "0")},
            "accessModes": list(spec.get("accessModes") or ["ReadWriteOnce"]),
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "storageClassName": storage_class["metadata"]["name"],
            "mountOptions": list(storage_class.get("mountOptions") or ()),
            "volumeMode": "Filesystem",
            "hostPath": {"path": volume_path(root, claim), "type": ""},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
                "resourceVersion": meta.get("resourceVersion", ""),
            },
        },
    }


def needs_deletion(volume: Obj) -> bool:
    """Whether a volume of ours has been released for good."""
    meta, spec = volume["metadata"], volume.get("spec") or {}
    return (
        (meta.get("annotations") or {}).get(PROVISIONED_BY) == PROVISIONER
        and (volume.get("status") or {}).get("phase") == "Released"
        and spec.get("persistentVolumeReclaimPolicy") == "Delete"
    )
