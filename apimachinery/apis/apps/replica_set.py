"""ReplicaSet."""

from apimachinery.apis.core.pod import apply_template_defaults
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a ReplicaSet, in place."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    apply_template_defaults(spec.get("template"))
    obj.setdefault("status", {"replicas": 0})
