"""Finds the policies that are for a request, their parameters, and the variables their expressions see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from apimachinery.errors import NotFound
from apimachinery.objects.metadata import Obj
from apimachinery.objects.selectors import from_label_selector
from apimachinery.resources import RESOURCES, Resource
from apiserver.admission.cel import EvaluationError, Expression
from apiserver.admission.chain import AdmissionAttributes, PluginServices
from apiserver.admission.matching import (
    EXEMPT,
    Matcher,
    authorizer_variable,
    conditions_hold,
    request_object,
)
from apiserver.admission.object_versions import ObjectVersions
from apiserver.admission.policy_definitions import Binding, Policy, compile_binding, compile_policy
from apiserver.admission.webhook_client import WebhookClient

_GROUP: Final = "admissionregistration.k8s.io"
_CRDS: Final = "customresourcedefinitions.apiextensions.k8s.io"
# Who asks what somebody may do or is must get an answer, or nobody can mend a policy that refuses everything.
_NEVER: Final = frozenset(
    {
        "localsubjectaccessreviews.authorization.k8s.io",
        "selfsubjectaccessreviews.authorization.k8s.io",
        "selfsubjectreviews.authentication.k8s.io",
        "selfsubjectrulesreviews.authorization.k8s.io",
        "subjectaccessreviews.authorization.k8s.io",
        "tokenreviews.authentication.k8s.io",
    }
)


class ConfigurationError(Exception):
    """A policy or binding can't be applied to the request as it is configured."""

    def __init__(self, what: str, why: object) -> None:
        super().__init__(f"failed to configure {what}: {why}")
        self.binding = what == "binding"


@dataclass(slots=True)
class Invocation:
    """One policy to be evaluated for a request, or why it can't be."""

    policy: Policy
    binding: Binding | None
    resource: Resource
    namespace: Obj | None = None
    params: Obj | None = None
    error: ConfigurationError | None = None


@dataclass(slots=True)
class Variables:
    """The variables of one evaluation; composed ones are evaluated in order, and those that fail when used."""

    values: dict[str, Any]
    failed: dict[str, str] = field(default_factory=dict)

    def evaluate(self, expression: Expression) -> Any:
        """Return an expression's value.

        Raises:
            EvaluationError: it failed, or a composed variable it uses did.
        """
        try:
            return expression.evaluate(self.values)
        except EvaluationError as error:
            name = str(error).removeprefix("no such key: ")
            if name in self.failed:
                why = f'composited variable "{name}" fails to evaluate: {self.failed[name]}'
                raise EvaluationError(why) from error
            raise


class PolicyEngine:
    """Policies and bindings of one kind."""

    def __init__(self, services: PluginServices, policies: str, bindings: str) -> None:
        self._policies = services.listers(f"{policies}.{_GROUP}")
        self._bindings = services.listers(f"{bindings}.{_GROUP}")
        self._namespaces = services.listers("namespaces")
        self._listers = services.listers
        self.authorizer = services.authorizer
        self._client = services.client
        self._webhooks = WebhookClient(services.listers)
        self._versions = ObjectVersions(services.listers, self._webhooks)
        self._stale = True
        self._pairs: list[tuple[Policy, list[Binding]]] = []
        for lister in (self._policies, self._bindings):
            lister.on_touch(self._touched)

    def _touched(self, _key: str) -> None:
        self._stale = True

    async def close(self) -> None:
        """Close the connections that conversions hold."""
        await self._webhooks.close()

    @staticmethod
    def handles(group_resource: str) -> bool:
        """Tell whether policies may be for a resource: not for what configures admission, not for reviews."""
        return group_resource not in EXEMPT and group_resource not in _NEVER

    @property
    def pairs(self) -> list[tuple[Policy, list[Binding]]]:
        """Policies that have bindings, by name."""
        if self._stale:
            self._stale = False
            bindings = [compile_binding(raw) for raw in self._bindings.list()]
            compiled = [compile_policy(raw) for raw in self._policies.list()]
            self._pairs = [
                (policy, [binding for binding in bindings if binding.policy == policy.name])
                for policy in sorted(compiled, key=lambda one: one.name)
            ]
            self._pairs = [pair for pair in self._pairs if pair[1]]
        return self._pairs

    async def _namespace(self, attrs: AdmissionAttributes) -> Obj | None:
        if not attrs.namespace or attrs.group_resource == "namespaces":
            return None
        found: Obj | None = self._namespaces.get(None, attrs.namespace)
        if found is None:
            try:
                found = await self._client.get("namespaces", attrs.namespace)
            except NotFound:
                return None
        return found

    def _wanted_as(self, attrs: AdmissionAttributes, matcher: Matcher, namespace: Obj | None) -> Resource | None:
        resource = matcher.resource_for(attrs, self._versions)
        return resource if resource is not None and matcher.labels_match(attrs, namespace) else None

    async def invocations(self, attrs: AdmissionAttributes) -> list[Invocation]:
        """Return what is to be evaluated for a request, in the order of the policies' names."""
        found: list[Invocation] = []
        namespace: Obj | None = None
        looked = False
        for policy, bindings in self.pairs:
            if policy.matcher.resource_for(attrs, self._versions) is None:
                continue
            if not looked:
                namespace, looked = await self._namespace(attrs), True
            resource = self._wanted_as(attrs, policy.matcher, namespace)
            if resource is None:
                continue
            if policy.error:
                error = ConfigurationError("policy", policy.error)
                found.append(Invocation(policy, None, resource, error=error))
                continue
            for binding in bindings:
                if binding.matcher is None or self._wanted_as(attrs, binding.matcher, namespace) is not None:
                    found += self._bound(policy, binding, resource, attrs, namespace)
        return found

    def _bound(
        self, policy: Policy, binding: Binding, resource: Resource, attrs: AdmissionAttributes, namespace: Obj | None
    ) -> list[Invocation]:
        try:
            params = self._params(policy, binding, attrs)
        except ConfigurationError as error:
            return [Invocation(policy, binding if error.binding else None, resource, error=error)]
        return [Invocation(policy, binding, resource, namespace, one) for one in params]

    def _params(self, policy: Policy, binding: Binding, attrs: AdmissionAttributes) -> list[Obj | None]:
        """Return the parameter objects of a binding ([None] where none are asked for)."""
        reference = binding.param_ref
        if not policy.param_kind or not reference:
            return [None]
        lister, namespaced = self._param_lister(policy.param_kind)
        namespace = reference.get("namespace") or attrs.namespace
        if not namespaced:
            if reference.get("namespace"):
                raise ConfigurationError(
                    "binding", "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
                )
            namespace = None
        elif not namespace:
            raise ConfigurationError(
                "binding", "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            )
        found: list[Obj | None]
        if reference.get("name"):
            found = [lister.get(namespace, reference["name"])]
        else:
            selector = from_label_selector(reference.get("selector") or {})
            found = [obj for obj in lister.list(namespace) if selector.matches(obj["metadata"].get("labels") or {})]
        present = [obj for obj in found if obj is not None]
        if not present and reference.get("parameterNotFoundAction", "Deny") == "Deny":
            raise ConfigurationError(
                "binding", "no params found for policy binding with `Deny` parameterNotFoundAction"
            )
        return list(present)

    def _param_lister(self, kind: Obj) -> tuple[Any, bool]:
        wanted = (kind.get("apiVersion"), kind.get("kind"))
        for resource in RESOURCES:
            if (resource.api_version, resource.kind) == wanted:
                return self._listers(resource.group_resource), resource.namespaced
        for crd in self._listers(_CRDS).list():
            names = crd["spec"]["names"]
            group = str(wanted[0]).partition("/")[0]
            if crd["spec"]["group"] == group and names["kind"] == wanted[1]:
                return self._listers(f"{names['plural']}.{group}"), crd["spec"].get("scope") == "Namespaced"
        raise ConfigurationError(
            "policy", f"failed to find resource referenced by paramKind: '{wanted[0]}, Kind={wanted[1]}'"
        )

    def conditions(self, invocation: Invocation, attrs: AdmissionAttributes) -> bool:
        """Evaluate the match conditions; ConditionError."""
        more = {"namespaceObject": invocation.namespace, "params": invocation.params}
        return conditions_hold(invocation.policy.matcher.conditions, attrs, self.authorizer, more=more)

    async def variables(self, invocation: Invocation, attrs: AdmissionAttributes, asks: Obj) -> Variables:
        """Return what the expressions of a policy see."""
        obj = await self._versions.convert(attrs.object, attrs.resource, invocation.resource)
        old = await self._versions.convert(attrs.old_object, attrs.resource, invocation.resource)
        composed: dict[str, Any] = {}
        found = Variables(
            {
                "object": obj,
                "oldObject": old,
                "request": request_object(attrs, invocation.resource),
                "params": invocation.params,
                "namespaceObject": invocation.namespace,
                "authorizer": authorizer_variable(attrs, asks),
                "variables": composed,
            }
        )
        for name, expression in invocation.policy.variables:
            try:
                composed[name] = found.evaluate(expression)
            except EvaluationError as error:
                found.failed[name] = str(error)
        return found

    async def back(self, obj: Obj | None, invocation: Invocation, attrs: AdmissionAttributes) -> Obj | None:
        """Return an object a policy saw in its version in the request's own."""
        return await self._versions.convert(obj, invocation.resource, attrs.resource)
