"""PodTemplate: a stored template."""

from apimachinery.apis.core.pod import apply_template_defaults
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a PodTemplate, in place."""
    apply_template_defaults(obj.setdefault("template", {}))
