"""PriorityClass."""

from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a PriorityClass, in place."""
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")
