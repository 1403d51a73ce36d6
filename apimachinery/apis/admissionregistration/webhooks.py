"""Webhook configurations, and admission policies with their bindings."""

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
