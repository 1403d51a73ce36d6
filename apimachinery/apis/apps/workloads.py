"""What all workloads have in common: a selector that must select the template's pods."""

from collections.abc import Sequence

from apimachinery.apis.core.pod import validate_template
from apimachinery.apis.field_rules import Errors, label_selector, non_negative, unchanged
from apimachinery.objects.field_path import FieldPath, forbidden, invalid, required
from apimachinery.objects.metadata import Obj
from apimachinery.objects.selectors import SelectorError, from_label_selector

SPEC = FieldPath("spec")
MISMATCH = "`selector` does not match template `labels`"


def validate_selector(spec: Obj, kind: str = "deployment") -> Errors:
    """What is wrong with `spec.selector` beside the template's labels; `kind` is for the words."""
    selector = spec.get("selector")
    here = SPEC.child("selector")
    if selector is None:
        return [required(here)]
    errors = label_selector(selector, here)
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        errors.append(invalid(here, selector, f"empty selector is invalid for {kind}"))
        return errors
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    try:
        matches = from_label_selector(selector).matches(labels)
    except (SelectorError, KeyError):
        return errors
    if not matches:
        errors.append(invalid(SPEC.child("template", "metadata", "labels"), labels, MISMATCH))
    return errors


def validate_workload(spec: Obj, kind: str = "ReplicaSet", *, policies: Sequence[str] = ("Always",)) -> Errors:
    """What is wrong with counts, selector and template."""
    errors: Errors = []
    for field in ("replicas", "minReadySeconds", "revisionHistoryLimit"):
        errors.extend(non_negative(spec.get(field), SPEC.child(field)))
    errors.extend(validate_selector(spec, kind.lower() if kind != "ReplicaSet" else "deployment"))
    errors.extend(validate_template(spec.get("template"), SPEC.child("template"), restart_policies=policies))
    return [*errors, *without_deadline(spec.get("template"), kind)]


def without_deadline(template: Obj | None, kind: str) -> Errors:
    """Pods that are to run for ever have no deadline."""
    if ((template or {}).get("spec") or {}).get("activeDeadlineSeconds") is None:
        return []
    here = SPEC.child("template", "spec", "activeDeadlineSeconds")
    return [forbidden(here, f"activeDeadlineSeconds in {kind} is not Supported")]


def selector_unchanged(new: Obj, old: Obj) -> Errors:
    """A workload keeps its selector."""
    return unchanged(
        (new.get("spec") or {}).get("selector"), (old.get("spec") or {}).get("selector"), SPEC.child("selector")
    )


def same_spec(new: Obj, old: Obj) -> bool:
    """Whether only metadata or status differ."""
    return bool(new.get("spec") == old.get("spec"))
