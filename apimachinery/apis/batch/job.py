"""Job."""

from apimachinery.apis.core.pod import apply_template_defaults, validate_template
from apimachinery.apis.field_rules import Errors, label_selector, non_negative, optional_one_of, unchanged
from apimachinery.objects.field_path import FieldPath, invalid, required
from apimachinery.objects.metadata import Obj

_RETRIES = 6
_MOST = 2**31 - 1


def apply_defaults(obj: Obj) -> None:
    """Fill in a Job, in place."""
    spec = obj.setdefault("spec", {})
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    if "backoffLimit" not in spec:
        spec["backoffLimit"] = _MOST if "backoffLimitPerIndex" in spec else _RETRIES
    template = spec.get("template")
    labels = ((template or {}).get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    policy = spec.get("podFailurePolicy")
    spec.setdefault("podReplacementPolicy", "Failed" if policy else "TerminatingOrFailed")
    for rule in (policy or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"
    apply_template_defaults(template)
    obj.setdefault("status", {})


_SPEC = FieldPath("spec")
_POLICIES = ("Never", "OnFailure")
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_DIRECTIVES = frozenset(("nodeSelector", "affinity", "tolerations", "schedulingGates"))
_FIXED = (
    "selector",
    "template",
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
)


def validate_spec(spec: Obj, path: FieldPath = _SPEC, *, selector: bool = True) -> Errors:
    """What is wrong with a Job's specification; a CronJob's has no `selector`."""
    errors: Errors = []
    for field in _COUNTS:
        errors.extend(non_negative(spec.get(field), path.child(field)))
    indexed = spec.get("completionMode") == "Indexed"
    errors.extend(optional_one_of(spec.get("completionMode"), path.child("completionMode"), ("Indexed", "NonIndexed")))
    if indexed and spec.get("completions") is None:
        errors.append(required(path.child("completions"), "when completion mode is Indexed"))
    if not indexed:
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                errors.append(invalid(path.child(field), spec[field], "requires indexed completion mode"))
    if selector:
        errors.extend(_selector(spec, path))
    errors.extend(validate_template(spec.get("template"), path.child("template"), restart_policies=_POLICIES))
    for position, rule in enumerate((spec.get("podFailurePolicy") or {}).get("rules") or ()):
        here = path.child("podFailurePolicy", "rules").index(position)
        errors.extend(_rule(rule, here))
    return errors


def _selector(spec: Obj, path: FieldPath) -> Errors:
    selector = spec.get("selector")
    if selector is None:
        return [required(path.child("selector"))]
    errors = label_selector(selector, path.child("selector"))
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        told = "`selector` does not match template `labels`"
        errors.append(invalid(path.child("template", "metadata", "labels"), labels, told))
    return errors


def _rule(rule: Obj, path: FieldPath) -> Errors:
    action = rule.get("action")
    errors = optional_one_of(action, path.child("action"), _ACTIONS) if action else [required(path.child("action"))]
    given = [field for field in ("onExitCodes", "onPodConditions") if rule.get(field)]
    if len(given) != 1:
        told = (
            "specifying both OnExitCodes and OnPodConditions is not supported"
            if given
            else "specifying one of OnExitCodes and OnPodConditions is required"
        )
        errors.append(invalid(path, rule, told))
    return errors


def validate(obj: Obj) -> Errors:
    """What is wrong with a Job."""
    return validate_spec(obj.get("spec") or {})


def _without_directives(template: Obj | None) -> Obj:
    """A template without what may still change while a Job has not begun: where its pods go."""
    template = template or {}
    spec = {key: value for key, value in (template.get("spec") or {}).items() if key not in _DIRECTIVES}
    metadata = {
        key: value for key, value in (template.get("metadata") or {}).items() if key not in ("labels", "annotations")
    }
    return {**template, "metadata": metadata, "spec": spec}


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a Job that replaces another."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    if after == before:
        return []
    errors = validate_spec(after)
    suspended = bool(before.get("suspend")) and not (old.get("status") or {}).get("startTime")
    for field in _FIXED:
        new_value, old_value = after.get(field), before.get(field)
        if field == "template" and suspended:
            new_value, old_value = _without_directives(new_value), _without_directives(old_value)
        errors.extend(unchanged(new_value, old_value, _SPEC.child(field)))
    if after.get("completions") != before.get("completions") and after.get("completions") != after.get("parallelism"):
        errors.append(invalid(_SPEC.child("completions"), after.get("completions"), "field is immutable"))
    return errors
