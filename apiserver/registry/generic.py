"""The hooks many resources share: generation, and the separation of spec and status."""

from __future__ import annotations

from apimachinery.objects.metadata import Obj
from apiserver.registry.strategy import Call, Subresource


def reset_status(obj: Obj, call: Call) -> None:
    """Drop what only a status write may set."""
    del call
    obj.pop("status", None)


def keep_status(new: Obj, old: Obj, call: Call) -> None:
    """Take the status from the stored object."""
    del call
    if "status" in old:
        new["status"] = old["status"]
    else:
        new.pop("status", None)


def first_generation(obj: Obj, call: Call) -> None:
    """Start counting generations, and drop the status."""
    reset_status(obj, call)
    obj["metadata"]["generation"] = 1


def count_generation(new: Obj, old: Obj, call: Call) -> None:
    """Count a generation when anything but metadata and status changes; keep the status."""
    keep_status(new, old, call)
    raise_generation(new, old)


def raise_generation(new: Obj, old: Obj) -> None:
    """Set metadata.generation to the old one, plus one if the object means something else now."""
    generation = old["metadata"].get("generation") or 0
    changed = any(
        new.get(key) != old.get(key) for key in {*new, *old} if key not in ("metadata", "status", "apiVersion", "kind")
    )
    if changed or generation:
        new["metadata"]["generation"] = generation + 1 if changed else generation


def only_status(new: Obj, old: Obj, call: Call) -> None:
    """Take everything but the status (and labels, annotations, finalizers) from the stored object."""
    del call
    for key in [key for key in new if key not in ("status", "metadata", "apiVersion", "kind")]:
        if key not in old:
            del new[key]
    for key, value in old.items():
        if key not in ("status", "metadata", "apiVersion", "kind"):
            new[key] = value
    generation = old["metadata"].get("generation")
    if generation is not None:
        new["metadata"]["generation"] = generation
    if "ownerReferences" in old["metadata"]:
        new["metadata"]["ownerReferences"] = old["metadata"]["ownerReferences"]
    else:
        new["metadata"].pop("ownerReferences", None)


STATUS = Subresource(prepare=only_status)
