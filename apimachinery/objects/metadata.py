"""ObjectMeta over plain dicts: an API object is a JSON dict, read through these."""

import uuid
from typing import Any

Obj = dict[str, Any]


def metadata(obj: Obj) -> Obj:
    """The object's metadata; an empty dict where it has none."""
    found: Obj = obj.get("metadata") or {}
    return found


def name(obj: Obj) -> str:
    """metadata.name, or an empty string."""
    return str(metadata(obj).get("name") or "")


def namespace(obj: Obj) -> str:
    """metadata.namespace, or an empty string for cluster-scoped objects."""
    return str(metadata(obj).get("namespace") or "")


def uid(obj: Obj) -> str:
    """metadata.uid, or an empty string."""
    return str(metadata(obj).get("uid") or "")


def resource_version(obj: Obj) -> str:
    """metadata.resourceVersion, or an empty string."""
    return str(metadata(obj).get("resourceVersion") or "")


def labels(obj: Obj) -> dict[str, str]:
    """metadata.labels; an empty dict where there are none."""
    return metadata(obj).get("labels") or {}


def annotations(obj: Obj) -> dict[str, str]:
    """metadata.annotations; an empty dict where there are none."""
    return metadata(obj).get("annotations") or {}


def number_in(obj: Obj, annotation: str) -> int:
    """The whole number in an annotation; 0 where there is none or something else."""
    try:
        return int(annotations(obj).get(annotation) or 0)
    except ValueError:
        return 0


def finalizers(obj: Obj) -> list[str]:
    """metadata.finalizers; an empty list where there are none."""
    return metadata(obj).get("finalizers") or []


def is_deleting(obj: Obj) -> bool:
    """Whether the object's deletion has been asked for."""
    return bool(metadata(obj).get("deletionTimestamp"))


def key(obj: Obj) -> str:
    """`namespace/name`, or `name` for cluster-scoped objects."""
    space = namespace(obj)
    return f"{space}/{name(obj)}" if space else name(obj)


def new_uid() -> str:
    """A fresh UID (RFC 4122, random)."""
    return str(uuid.uuid4())
