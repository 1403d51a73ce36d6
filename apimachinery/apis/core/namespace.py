"""Namespace."""

from apimachinery.objects.metadata import Obj

NAME_LABEL = "kubernetes.io/metadata.name"


def apply_defaults(obj: Obj) -> None:
    """Fill in a Namespace, in place: its name as a label, so that selectors can name it."""
    metadata = obj["metadata"]
    if metadata.get("name"):
        labels = metadata.get("labels")
        if labels is None:
            labels = metadata["labels"] = {}
        labels[NAME_LABEL] = metadata["name"]
    obj.setdefault("spec", {})
    if not obj.setdefault("status", {}).get("phase"):
        obj["status"]["phase"] = "Active"
