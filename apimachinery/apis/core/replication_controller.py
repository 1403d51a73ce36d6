"""ReplicationController."""

from apimachinery.apis.apps.workloads import without_deadline
from apimachinery.apis.core.pod import apply_template_defaults, validate_template
from apimachinery.apis.core.pod_warnings import template_warnings
from apimachinery.apis.field_rules import Errors, non_negative
from apimachinery.objects.field_path import FieldPath, invalid, required
from apimachinery.objects.metadata import Obj
from apimachinery.objects.selectors import from_map


def apply_defaults(obj: Obj) -> None:
    """Fill in a ReplicationController, in place; selector and labels come from the template's labels."""
    spec = obj.setdefault("spec", {})
    template = spec.get("template")
    labels = ((template or {}).get("metadata") or {}).get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)
    spec.setdefault("replicas", 1)
    apply_template_defaults(template)
    obj.setdefault("status", {"replicas": 0})


_SPEC = FieldPath("spec")


def validate(obj: Obj) -> Errors:
    """What is wrong with a ReplicationController."""
    spec = obj.get("spec") or {}
    errors: Errors = []
    for field in ("replicas", "minReadySeconds"):
        errors.extend(non_negative(spec.get(field), _SPEC.child(field)))
    selector, template = spec.get("selector"), spec.get("template")
    if not selector:
        errors.append(required(_SPEC.child("selector")))
    elif template is not None:
        labels = (template.get("metadata") or {}).get("labels") or {}
        if not from_map(selector).matches(labels):
            told = "`selector` does not match template `labels`"
            errors.append(invalid(_SPEC.child("template", "metadata", "labels"), labels, told))
    errors.extend(validate_template(template, _SPEC.child("template"), restart_policies=("Always",)))
    return [*errors, *without_deadline(template, "ReplicationController")]


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a ReplicationController that replaces another."""
    return [] if new.get("spec") == old.get("spec") else validate(new)


def warnings(obj: Obj) -> list[str]:
    """What is to be said of a ReplicationController's pods."""
    return template_warnings((obj.get("spec") or {}).get("template"), FieldPath("spec.template"))
