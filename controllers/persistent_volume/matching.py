"""Which volume a claim gets, and what both say once they belong together.

Pure. Upstream's rule: a volume reserved for the claim first, else the smallest free one that
satisfies class, mode, access modes, size and selector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apimachinery.objects import selectors
from apimachinery.objects.metadata import annotations as notes_of
from apimachinery.objects.quantity import int_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apimachinery.objects.metadata import Obj

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
_LEGACY_CLASS = "volume.beta.kubernetes.io/storage-class"


def storage_class_of(obj: Obj) -> str:
    """The class of a claim or a volume."""
    return str(notes_of(obj).get(_LEGACY_CLASS) or obj["spec"].get("storageClassName") or "")


def is_reserved_for(volume: Obj, claim: Obj) -> bool:
    """Whether the volume's claimRef means this claim; one without UID means any of that name."""
    reference = volume["spec"].get("claimRef") or {}
    meta = claim["metadata"]
    same = (reference.get("namespace"), reference.get("name")) == (meta.get("namespace"), meta.get("name"))
    return same and reference.get("uid") in (None, "", meta.get("uid"))


def satisfies(volume: Obj, claim: Obj) -> bool:
    """Whether a volume is enough for a claim, whoever it belongs to."""
    wanted, offered = claim["spec"], volume["spec"]
    requested = ((wanted.get("resources") or {}).get("requests") or {}).get("storage", "0")
    return (
        (offered.get("volumeMode") or "Filesystem") == (wanted.get("volumeMode") or "Filesystem")
        and storage_class_of(volume) == storage_class_of(claim)
        and set(wanted.get("accessModes") or ()) <= set(offered.get("accessModes") or ())
        and int_value((offered.get("capacity") or {}).get("storage", "0")) >= int_value(requested)
    )


def best_volume(claim: Obj, volumes: Iterable[Obj], *, reserved_only: bool = False) -> Obj | None:
    """The volume to bind to a claim.

    Args:
        claim: the claim.
        volumes: all volumes.
        reserved_only: the claim waits for its first consumer, whose scheduler reserves one.
    """
    raw = claim["spec"].get("selector")
    selector = selectors.from_label_selector(raw) if raw else None
    free: list[Obj] = []
    for volume in volumes:
        if volume["metadata"].get("deletionTimestamp") or not satisfies(volume, claim):
            continue
        if volume["spec"].get("claimRef"):
            if is_reserved_for(volume, claim):
                return volume
            continue
        if selector is not None and not selector.matches(volume["metadata"].get("labels") or {}):
            continue
        if (volume.get("status") or {}).get("phase") in (None, "", "Available", "Pending"):
            free.append(volume)
    if reserved_only or not free:
        return None
    return min(free, key=lambda volume: (int_value(volume["spec"]["capacity"]["storage"]), volume["metadata"]["name"]))


def reserved(volume: Obj, claim: Obj) -> Obj:
    """The volume with its claimRef complete; the same object if it is already."""
    meta = claim["metadata"]
    reference = volume["spec"].get("claimRef") or {}
    if reference.get("uid") == meta["uid"]:
        return volume
    notes = dict(notes_of(volume))
    if not reference:
        notes[BOUND_BY_CONTROLLER] = "yes"
    complete = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "resourceVersion": meta.get("resourceVersion", ""),
    }
    return {
        **volume,
        "metadata": {**volume["metadata"], "annotations": notes},
        "spec": {**volume["spec"], "claimRef": complete},
    }


def bound(claim: Obj, volume: Obj) -> Obj:
    """The claim with its volume's name; the same object if it has it already."""
    notes = dict(notes_of(claim))
    name = volume["metadata"]["name"]
    if claim["spec"].get("volumeName") == name and BIND_COMPLETED in notes:
        return claim
    if not claim["spec"].get("volumeName"):
        notes[BOUND_BY_CONTROLLER] = "yes"
    notes[BIND_COMPLETED] = "yes"
    return {
        **claim,
        "metadata": {**claim["metadata"], "annotations": notes},
        "spec": {**claim["spec"], "volumeName": name},
    }


def released(volume: Obj) -> Obj:
    """The volume free again, for when its claim took another one."""
    notes = {key: value for key, value in notes_of(volume).items() if key != BOUND_BY_CONTROLLER}
    return {
        **volume,
        "metadata": {**volume["metadata"], "annotations": notes},
        "spec": {key: value for key, value in volume["spec"].items() if key != "claimRef"},
    }


def bound_status(volume: Obj) -> Obj:
    """The status of a claim with this volume."""
    return {
        "phase": "Bound",
        "accessModes": list(volume["spec"].get("accessModes") or ()),
        "capacity": dict(volume["spec"].get("capacity") or {}),
    }
