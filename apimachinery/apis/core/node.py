"""Node."""

from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a Node, in place: what is not said to be reserved is allocatable."""
    obj.setdefault("spec", {})
    status = obj.setdefault("status", {})
    capacity = status.get("capacity")
    if capacity and not status.get("allocatable"):
        status["allocatable"] = dict(capacity)
    status.setdefault("daemonEndpoints", {}).setdefault("kubeletEndpoint", {"Port": 0})
