"""Job."""

from apimachinery.apis.core.pod import apply_template_defaults, validate_template
from apimachinery.apis.core.pod_warnings import template_warnings
from apimachinery.apis.field_rules import (
    Errors,
    label_selector,
    named,
    non_negative,
    one_of,
    optional_one_of,
    unchanged,
)
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, invalid, required, too_long, too_many
from apimachinery.objects.metadata import Obj
from apimachinery.objects.selectors import SelectorError, from_label_selector

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
_NOT_GENERATED = "`selector` not auto-generated"
_MOST_INDEXES, _MOST_RULES, _MOST_CODES, _MOST_NAME = 100_000, 20, 255, 63
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
    errors.extend(_manager(spec.get("managedBy"), path.child("managedBy")))
    errors.extend(_replacement(spec, path.child("podReplacementPolicy")))
    indexed = spec.get("completionMode") == "Indexed"
    errors.extend(optional_one_of(spec.get("completionMode"), path.child("completionMode"), ("Indexed", "NonIndexed")))
    if indexed and spec.get("completions") is None:
        errors.append(required(path.child("completions"), "when completion mode is Indexed"))
    if not indexed:
        for field in ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"):
            if spec.get(field) is not None:
                errors.append(invalid(path.child(field), spec[field], "requires indexed completion mode"))
    else:
        errors.extend(_indexed(spec, path))
    if selector:
        errors.extend(_selector(spec, path))
    errors.extend(validate_template(spec.get("template"), path.child("template"), restart_policies=_POLICIES))
    return [*errors, *_failure_policy(spec, path)]


def _failure_policy(spec: Obj, path: FieldPath) -> Errors:
    policy = spec.get("podFailurePolicy")
    if policy is None:
        return []
    errors: Errors = []
    pod = (spec.get("template") or {}).get("spec") or {}
    if pod.get("restartPolicy") != "Never":
        told = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(invalid(path.child("template", "spec", "restartPolicy"), pod.get("restartPolicy"), told))
    rules, here = policy.get("rules") or [], path.child("podFailurePolicy", "rules")
    if len(rules) > _MOST_RULES:
        errors.append(too_many(here, len(rules), _MOST_RULES))
    for position, rule in enumerate(rules):
        errors.extend(_rule(rule, spec, here.index(position)))
    return errors


def _indexed(spec: Obj, path: FieldPath) -> Errors:
    """What an indexed Job must obey."""
    errors: Errors = []
    completions, parallelism = spec.get("completions") or 0, spec.get("parallelism") or 0
    failed, each = spec.get("maxFailedIndexes"), spec.get("backoffLimitPerIndex")
    if completions and parallelism > _MOST_INDEXES:
        told = f"must be less than or equal to {_MOST_INDEXES} when completion mode is Indexed"
        errors.append(invalid(path.child("parallelism"), parallelism, told))
    if failed is not None:
        if failed > completions:
            told = "must be less than or equal to completions"
            errors.append(invalid(path.child("maxFailedIndexes"), failed, told))
        if each is None:
            told = "must be specified when maxFailedIndexes is specified"
            errors.append(required(path.child("backoffLimitPerIndex"), told))
    success = spec.get("successPolicy")
    if success is not None and not success.get("rules"):
        told = "at least one rules must be specified when the successPolicy is specified"
        errors.append(required(path.child("successPolicy", "rules"), told))
    for position, rule in enumerate((success or {}).get("rules") or ()):
        here = path.child("successPolicy", "rules").index(position)
        if rule.get("succeededIndexes") is None and rule.get("succeededCount") is None:
            told = "at least one of succeededCount or succeededIndexes must be specified"
            errors.append(required(here, told))
        errors.extend(non_negative(rule.get("succeededCount"), here.child("succeededCount")))
    return errors


def _manager(name: str | None, path: FieldPath) -> Errors:
    if name is None:
        return []
    domain, slash, rest = name.partition("/")
    if not slash or not domain or not rest:
        return [invalid(path, name, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    if len(name) > _MOST_NAME:
        return [too_long(path, name, _MOST_NAME)]
    return [invalid(path, domain, problem) for problem in names.dns1123_subdomain_problems(domain)]


def _replacement(spec: Obj, path: FieldPath) -> Errors:
    policy = spec.get("podReplacementPolicy")
    allowed = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    return optional_one_of(policy, path, allowed)


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


def _rule(rule: Obj, spec: Obj, path: FieldPath) -> Errors:
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
    if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        errors.append(invalid(path.child("action"), action, "requires the backoffLimitPerIndex to be set"))
    if rule.get("onExitCodes"):
        errors.extend(_exit_codes(rule["onExitCodes"], spec, path.child("onExitCodes")))
    for position, pattern in enumerate(rule.get("onPodConditions") or ()):
        here = path.child("onPodConditions").index(position)
        errors.extend(named(pattern.get("type"), here.child("type"), names.qualified_name_problems))
        errors.extend(one_of(pattern.get("status"), here.child("status"), ("False", "True", "Unknown")))
    return errors


def _exit_codes(codes: Obj, spec: Obj, path: FieldPath) -> Errors:
    operator, values = codes.get("operator"), codes.get("values") or []
    errors = one_of(operator, path.child("operator"), ("In", "NotIn"))
    name = codes.get("containerName")
    pod = (spec.get("template") or {}).get("spec") or {}
    known = {one.get("name") for field in ("containers", "initContainers") for one in pod.get(field) or ()}
    if name is not None and name not in known:
        told = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid(path.child("containerName"), name, told))
    here = path.child("values")
    if not values:
        errors.append(invalid(here, values, "at least one value is required"))
    elif len(values) > _MOST_CODES:
        errors.append(too_many(here, len(values), _MOST_CODES))
    for position, value in enumerate(values):
        if operator == "In" and value == 0:
            errors.append(invalid(here.index(position), value, "must not be 0 for the In operator"))
        if value in values[:position]:
            errors.append(duplicate(here.index(position), value))
    if values != sorted(values):
        errors.append(invalid(here, values, "must be ordered"))
    return errors


def validate(obj: Obj) -> Errors:
    """What is wrong with a Job."""
    return validate_spec(obj.get("spec") or {})


def validate_create(obj: Obj) -> Errors:
    """What only a new Job must obey: labels and selector are those that were generated for it."""
    spec, metadata = obj.get("spec") or {}, obj.get("metadata") or {}
    if spec.get("manualSelector") or spec.get("selector") is None:
        return []
    expected = generated_labels(metadata.get("uid") or "", metadata.get("name") or "")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    errors: Errors = []
    for label, value in expected.items():
        here = _SPEC.child("template", "metadata", "labels").key(label)
        if label not in labels:
            errors.append(required(here, f"must be '{value}'"))
        elif labels[label] != value:
            errors.append(invalid(here, labels[label], f"must be '{value}'"))
    try:
        generated = from_label_selector(spec["selector"]).matches(expected)
    except (SelectorError, KeyError):
        return errors
    return errors if generated else [*errors, invalid(_SPEC.child("selector"), spec["selector"], _NOT_GENERATED)]


def generated_labels(uid: str, name: str) -> dict[str, str]:
    """The labels that tie a Job to its pods."""
    return {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }


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


def warnings(obj: Obj) -> list[str]:
    """What is to be said of a Job's name and pods."""
    name = (obj.get("metadata") or {}).get("name") or ""
    problems = names.dns1123_label_problems(name) if name else []
    told = (
        "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; "
        f"a DNS label is recommended: [{' '.join(problems)}]"
    )
    template = template_warnings((obj.get("spec") or {}).get("template"), FieldPath("spec.template"))
    return [*([told] if problems else []), *template]
