"""Webhook configurations, and admission policies with their bindings."""

from apimachinery.apis.field_rules import Errors, label_selector, one_of
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, invalid, not_supported, required
from apimachinery.objects.metadata import Obj


def _match_defaults(match: Obj) -> None:
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for rule in (*(match.get("resourceRules") or ()), *(match.get("excludeResourceRules") or ())):
        rule.setdefault("scope", "*")


def _webhook_defaults(webhook: Obj, *, mutating: bool) -> None:
    webhook.setdefault("failurePolicy", "Fail")
    webhook.setdefault("timeoutSeconds", 10)
    _match_defaults(webhook)
    for rule in webhook.get("rules") or ():
        rule.setdefault("scope", "*")
    service = (webhook.get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", 443)
    if mutating:
        webhook.setdefault("reinvocationPolicy", "Never")


def apply_defaults(obj: Obj) -> None:
    """Fill in a configuration, policy or binding, in place."""
    kind = obj.get("kind")
    if kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        for webhook in obj.get("webhooks") or ():
            _webhook_defaults(webhook, mutating=kind.startswith("Mutating"))
        return
    spec = obj.setdefault("spec", {})
    if kind in ("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"):
        spec.setdefault("failurePolicy", "Fail")
        if "matchConstraints" in spec:
            _match_defaults(spec["matchConstraints"])
        if kind.startswith("Validating"):
            obj.setdefault("status", {})
    elif "matchResources" in spec:
        _match_defaults(spec["matchResources"])


_OPERATIONS = ("*", "CREATE", "UPDATE", "DELETE", "CONNECT")
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_VERSIONS = ("v1", "v1beta1")


def validate(obj: Obj) -> Errors:
    """What is wrong with a configuration, policy or binding."""
    kind = str(obj.get("kind"))
    if kind.endswith("WebhookConfiguration"):
        return _configuration(obj)
    spec = obj.get("spec") or {}
    here = FieldPath("spec")
    if kind.endswith("Binding"):
        return _binding(spec, here, validating=kind.startswith("Validating"))
    return _policy(spec, here, kind)


def _configuration(obj: Obj) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for position, webhook in enumerate(obj.get("webhooks") or ()):
        here = FieldPath("webhooks").index(position)
        name = webhook.get("name") or ""
        if not name:
            errors.append(required(here.child("name")))
        elif name.count(".") < 2 or names.dns1123_subdomain_problems(name):
            told = "should be a domain with at least three segments separated by dots"
            errors.append(invalid(here.child("name"), name, told))
        if name in seen:
            errors.append(duplicate(here.child("name"), name))
        seen.add(name)
        errors.extend(_webhook(webhook, here))
    return errors


def _webhook(webhook: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    versions = webhook.get("admissionReviewVersions") or []
    if not versions:
        told = f"must specify one of {', '.join(_VERSIONS)}"
        errors.append(required(here.child("admissionReviewVersions"), told))
    elif not any(version in _VERSIONS for version in versions):
        told = f"must include at least one of {', '.join(_VERSIONS)}"
        errors.append(invalid(here.child("admissionReviewVersions"), versions, told))
    if not webhook.get("sideEffects"):
        errors.append(required(here.child("sideEffects"), f"must specify one of {', '.join(_SIDE_EFFECTS)}"))
    else:
        errors.extend(one_of(webhook["sideEffects"], here.child("sideEffects"), _SIDE_EFFECTS))
    errors.extend(one_of(webhook.get("failurePolicy"), here.child("failurePolicy"), ("Fail", "Ignore")))
    seconds = webhook.get("timeoutSeconds") or 0
    if not 1 <= seconds <= 30:
        told = "the timeout value must be between 1 and 30 seconds"
        errors.append(invalid(here.child("timeoutSeconds"), seconds, told))
    client = webhook.get("clientConfig") or {}
    if ("url" in client) == ("service" in client):
        errors.append(required(here.child("clientConfig"), "exactly one of url or service is required"))
    elif "url" in client and not str(client["url"]).startswith("https://"):
        told = f"'{client['url'].partition(':')[0]}' is not an allowed scheme; allowed: https"
        errors.append(invalid(here.child("clientConfig", "url"), client["url"], told))
    for position, rule in enumerate(webhook.get("rules") or ()):
        errors.extend(_rule(rule, here.child("rules").index(position)))
    errors.extend(_match(webhook, here))
    return errors


def _rule(rule: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    operations = rule.get("operations") or []
    if not operations:
        errors.append(required(here.child("operations")))
    errors.extend(
        not_supported(here.child("operations").index(position), one, _OPERATIONS)
        for position, one in enumerate(operations)
        if one not in _OPERATIONS
    )
    errors.extend(
        required(here.child(field)) for field in ("apiGroups", "apiVersions", "resources") if not rule.get(field)
    )
    for field in ("operations", "apiGroups", "apiVersions"):
        values = rule.get(field) or ()
        if "*" in values and len(values) > 1:
            told = f"if '*' is present, must not specify other {'operations' if field == 'operations' else 'values'}"
            errors.append(invalid(here.child(field), values, told))
    return errors


def _match(match: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    for field in ("namespaceSelector", "objectSelector"):
        errors.extend(label_selector(match.get(field), here.child(field)))
    if "matchPolicy" in match:
        errors.extend(one_of(match["matchPolicy"], here.child("matchPolicy"), ("Equivalent", "Exact")))
    seen: set[str] = set()
    for position, condition in enumerate(match.get("matchConditions") or ()):
        where = here.child("matchConditions").index(position)
        name = condition.get("name") or ""
        if not name:
            errors.append(required(where.child("name")))
        elif name in seen:
            errors.append(duplicate(where.child("name"), name))
        seen.add(name)
        if not (condition.get("expression") or "").strip():
            errors.append(required(where.child("expression")))
    return errors


def _policy(spec: Obj, here: FieldPath, kind: str) -> Errors:
    errors = one_of(spec.get("failurePolicy"), here.child("failurePolicy"), ("Fail", "Ignore"))
    constraints = spec.get("matchConstraints")
    where = here.child("matchConstraints")
    if not constraints:
        errors.append(required(where))
    else:
        if not constraints.get("resourceRules"):
            errors.append(required(where.child("resourceRules")))
        for position, rule in enumerate(constraints.get("resourceRules") or ()):
            errors.extend(_rule(rule, where.child("resourceRules").index(position)))
        errors.extend(_match(constraints, where))
    if kind.startswith("Validating"):
        if not spec.get("validations") and not spec.get("auditAnnotations"):
            told = "validations or auditAnnotations must contain at least one item"
            errors.append(required(here.child("validations"), told))
        for position, validation in enumerate(spec.get("validations") or ()):
            if not (validation.get("expression") or "").strip():
                told = "expression is not specified"
                errors.append(required(here.child("validations").index(position).child("expression"), told))
    elif not spec.get("mutations"):
        errors.append(required(here.child("mutations"), "mutations must contain at least one item"))
    return errors


def _binding(spec: Obj, here: FieldPath, *, validating: bool) -> Errors:
    errors: Errors = []
    if not spec.get("policyName"):
        errors.append(required(here.child("policyName")))
    if validating:
        actions = ("Audit", "Deny", "Warn")
        if not spec.get("validationActions"):
            errors.append(required(here.child("validationActions"), "at least one validation action is required"))
        errors.extend(
            not_supported(here.child("validationActions").index(position), one, actions)
            for position, one in enumerate(spec.get("validationActions") or ())
            if one not in actions
        )
    return errors
