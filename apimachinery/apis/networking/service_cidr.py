"""ServiceCIDR."""

from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a ServiceCIDR, in place."""
    obj.setdefault("spec", {})
    obj.setdefault("status", {})
