"""Which requests a webhook or policy is for: rules, selectors, equivalent versions, match conditions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from apimachinery.objects.metadata import Obj
from apimachinery.objects.selectors import Selector, from_label_selector
from apimachinery.resources import Resource
from apiserver.admission.cel import EvaluationError, Expression
from apiserver.admission.cel_authorizer import authorizer_value
from apiserver.admission.chain import AdmissionAttributes

EXEMPT: Final = frozenset(
    f"{plural}.admissionregistration.k8s.io"
    for plural in (
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    )
)
# Kinds that a subresource takes instead of its resource's own.
_SUBRESOURCE_KINDS: Final[dict[tuple[str, str], tuple[str, str, str]]] = {
    ("pods", "attach"): ("", "v1", "PodAttachOptions"),
    ("pods", "binding"): ("", "v1", "Binding"),
    ("pods", "eviction"): ("policy", "v1", "Eviction"),
    ("pods", "exec"): ("", "v1", "PodExecOptions"),
    ("pods", "portforward"): ("", "v1", "PodPortForwardOptions"),
    ("pods", "proxy"): ("", "v1", "PodProxyOptions"),
    ("nodes", "proxy"): ("", "v1", "NodeProxyOptions"),
    ("services", "proxy"): ("", "v1", "ServiceProxyOptions"),
    ("serviceaccounts", "token"): ("authentication.k8s.io", "v1", "TokenRequest"),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """One rule (of `rules`, `resourceRules`), as sets."""

    operations: frozenset[str]
    groups: frozenset[str]
    versions: frozenset[str]
    resources: frozenset[str]
    scope: str
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, raw: Obj) -> Rules:
        """Compile a rule."""
        return cls(
            operations=frozenset(raw.get("operations") or ()),
            groups=frozenset(raw.get("apiGroups") or ()),
            versions=frozenset(raw.get("apiVersions") or ()),
            resources=frozenset(raw.get("resources") or ()),
            scope=raw.get("scope") or "*",
            names=frozenset(raw.get("resourceNames") or ()),
        )

    def matches(self, operation: str, resource: Resource, subresource: str, *, cluster: bool, name: str = "") -> bool:
        """Tell whether a request is meant."""
        if not ({"*", operation} & self.operations):
            return False
        if not ({"*", resource.group} & self.groups) or not ({"*", resource.version} & self.versions):
            return False
        if self.scope != "*" and (self.scope == "Cluster") is not cluster:
            return False
        if self.names and name not in self.names:
            return False
        plural = resource.plural
        if subresource:
            wanted = {"*/*", f"{plural}/*", f"*/{subresource}", f"{plural}/{subresource}"}
        else:
            wanted = {"*", "*/*", plural}
        return bool(wanted & self.resources)


@dataclass(slots=True)
class Condition:
    """One compiled match condition."""

    name: str
    expression: Expression


@dataclass(slots=True)
class Matcher:
    """What a webhook or policy is for."""

    rules: tuple[Rules, ...]
    excluded: tuple[Rules, ...]
    namespaces: Selector
    objects: Selector
    equivalent: bool
    conditions: list[Condition] = field(default_factory=list)

    @classmethod
    def of(cls, raw: Obj, rules: Iterable[Obj], excluded: Iterable[Obj] = ()) -> Matcher:
        """Compile the matching part of a webhook or of matchConstraints."""
        return cls(
            rules=tuple(Rules.of(rule) for rule in rules),
            excluded=tuple(Rules.of(rule) for rule in excluded),
            namespaces=from_label_selector(raw.get("namespaceSelector") or {}),
            objects=from_label_selector(raw.get("objectSelector") or {}),
            equivalent=raw.get("matchPolicy", "Equivalent") != "Exact",
        )

    def resource_for(self, attrs: AdmissionAttributes, versions: Versions) -> Resource | None:
        """Return the resource (in the version wanted) when a rule matches, else None."""
        cluster = not attrs.namespace or attrs.group_resource == "namespaces"
        args = {"cluster": cluster, "name": attrs.name}

        def by(rules: tuple[Rules, ...], resource: Resource) -> bool:
            return any(r.matches(attrs.operation, resource, attrs.subresource, **args) for r in rules)  # type: ignore[arg-type] # two keywords of two types

        if by(self.excluded, attrs.resource):
            return None
        if by(self.rules, attrs.resource):
            return attrs.resource
        if self.equivalent:
            for other in versions.others(attrs.resource):
                if by(self.excluded, other):
                    return None
                if by(self.rules, other):
                    return other
        return None

    def labels_match(self, attrs: AdmissionAttributes, namespace: Obj | None) -> bool:
        """Apply the two selectors."""
        if not self.namespaces.is_empty:
            if attrs.group_resource == "namespaces":
                source = attrs.object or attrs.old_object
                if not self.namespaces.matches(_labels(source)):
                    return False
            elif attrs.namespace and not self.namespaces.matches(_labels(namespace)):
                return False
        if self.objects.is_empty:
            return True
        return any(self.objects.matches(_labels(obj)) for obj in (attrs.object, attrs.old_object) if obj is not None)


def _labels(obj: Obj | None) -> dict[str, str]:
    return ((obj or {}).get("metadata") or {}).get("labels") or {}


class Versions(Protocol):
    """Knows the other versions of a resource."""

    def others(self, resource: Resource) -> list[Resource]:
        """Return them."""


def kind_of(attrs: AdmissionAttributes, resource: Resource | None = None) -> dict[str, str]:
    """Return {group, version, kind} of the request's object."""
    if resource is not None and resource is not attrs.resource:
        return {"group": resource.group, "version": resource.version, "kind": resource.kind}
    if attrs.kind is not None:
        return dict(zip(("group", "version", "kind"), attrs.kind, strict=True))
    special = _SUBRESOURCE_KINDS.get((attrs.group_resource, attrs.subresource))
    if attrs.subresource == "scale":
        special = ("autoscaling", "v1", "Scale")
    if special is not None:
        return dict(zip(("group", "version", "kind"), special, strict=True))
    own = attrs.resource
    return {"group": own.group, "version": own.version, "kind": own.kind}


def _gvr(resource: Resource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


_OPTION_KINDS: Final = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


def request_object(attrs: AdmissionAttributes, resource: Resource | None = None, uid: str = "") -> Obj:
    """Return the AdmissionRequest without the objects."""
    target = resource or attrs.resource
    out: Obj = {
        "uid": uid,
        "kind": kind_of(attrs, resource),
        "resource": _gvr(target),
        "requestKind": kind_of(attrs),
        "requestResource": _gvr(attrs.resource),
        "name": attrs.name or ((attrs.object or {}).get("metadata") or {}).get("name", ""),
        "operation": attrs.operation,
        "userInfo": attrs.user.to_dict(),
        "dryRun": attrs.dry_run,
    }
    if attrs.subresource:
        out["subResource"] = out["requestSubResource"] = attrs.subresource
    namespace = attrs.namespace
    if attrs.group_resource == "namespaces":
        namespace = out["name"]
    if namespace:
        out["namespace"] = namespace
    kind = _OPTION_KINDS.get(attrs.operation)
    if kind is not None:
        out["options"] = {"kind": kind, "apiVersion": "meta.k8s.io/v1", **(attrs.options or {})}
    return out


def _asked_resource(attrs: AdmissionAttributes) -> Obj:
    return {
        "group": attrs.resource.group,
        "resource": attrs.resource.plural,
        "subresource": attrs.subresource,
        "namespace": attrs.namespace,
        "name": attrs.name,
    }


def authorizer_variable(attrs: AdmissionAttributes, asks: Obj) -> Obj:
    """Return the CEL variable `authorizer`, with the request's own resource at hand."""
    return {**asks, "requestResource": {**asks, **_asked_resource(attrs)}}


class ConditionError(Exception):
    """A match condition could not be evaluated."""


def conditions_hold(
    conditions: list[Condition], attrs: AdmissionAttributes, authorizer: Any, *, more: dict[str, Any] | None = None
) -> bool:
    """Tell whether all match conditions are true; one that is false decides, whatever else fails.

    Raises:
        ConditionError: when none is false and at least one failed.
    """
    if not conditions:
        return True
    values: dict[str, Any] = {"object": attrs.object, "oldObject": attrs.old_object, **(more or {})}
    if any("request" in condition.expression.variables for condition in conditions):
        values["request"] = request_object(attrs)
    errors: list[str] = []
    with authorizer_value(authorizer, attrs.user) as asks:
        values["authorizer"] = authorizer_variable(attrs, asks)
        for condition in conditions:
            try:
                if condition.expression.evaluate(values) is not True:
                    return False
            except EvaluationError as error:
                errors.append(f"expression '{condition.expression.source}' resulted in error: {error}")
    if errors:
        raise ConditionError(", ".join(errors))
    return True
