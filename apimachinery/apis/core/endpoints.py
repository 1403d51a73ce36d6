"""Endpoints."""

from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in Endpoints, in place."""
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"
