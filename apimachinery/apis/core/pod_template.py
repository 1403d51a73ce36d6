"""PodTemplate: a stored template."""

from apimachinery.apis.core.pod import apply_template_defaults, validate_template
from apimachinery.apis.core.pod_warnings import template_warnings
from apimachinery.apis.field_rules import Errors
from apimachinery.objects.field_path import FieldPath
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a PodTemplate, in place."""
    apply_template_defaults(obj.setdefault("template", {}))


def validate(obj: Obj) -> Errors:
    """What is wrong with a PodTemplate."""
    return validate_template(obj.get("template"), FieldPath("template"))


def warnings(obj: Obj) -> list[str]:
    """What is to be said of a PodTemplate."""
    return template_warnings(obj.get("template"), FieldPath("template"))
