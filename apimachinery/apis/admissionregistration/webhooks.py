"""Webhook configurations, and admission policies with their bindings."""

from apimachinery.apis.admissionregistration.policies import binding_problems, policy_problems
from apimachinery.apis.admissionregistration.rules import condition_problems, rule_problems, selector_problems
from apimachinery.apis.field_rules import Errors, one_of
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, invalid, required
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
        return binding_problems(spec, here, validating=kind.startswith("Validating"))
    return policy_problems(spec, here, validating=kind.startswith("Validating"))


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
        errors.extend(rule_problems(rule, here.child("rules").index(position)))
    errors.extend(selector_problems(webhook, here))
    errors.extend(condition_problems(webhook, here))
    return errors
