"""PodDisruptionBudget."""

from apimachinery.objects.metadata import Obj

_STATUS = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}


def apply_defaults(obj: Obj) -> None:
    """Fill in a PodDisruptionBudget, in place."""
    obj.setdefault("spec", {})
    obj["status"] = {**_STATUS, **(obj.get("status") or {})}
