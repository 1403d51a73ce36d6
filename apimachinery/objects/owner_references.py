"""Owner references: who made an object, and who cleans it up."""

from apimachinery.objects.metadata import Obj, metadata, name, uid


def owners(obj: Obj) -> list[Obj]:
    """metadata.ownerReferences; an empty list where there are none."""
    return metadata(obj).get("ownerReferences") or []


def controller_of(obj: Obj) -> Obj | None:
    """The reference to the object's controller, or None."""
    for reference in owners(obj):
        if reference.get("controller"):
            return reference
    return None


def is_controlled_by(obj: Obj, owner: Obj) -> bool:
    """Whether an object's controller is the given one."""
    reference = controller_of(obj)
    return reference is not None and reference.get("uid") == uid(owner)


def new_controller_ref(owner: Obj, api_version: str, kind: str) -> Obj:
    """A reference that makes `owner` the controller, and blocks its foreground deletion."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name(owner),
        "uid": uid(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }
