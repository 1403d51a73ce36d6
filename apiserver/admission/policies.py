"""ValidatingAdmissionPolicy and MutatingAdmissionPolicy: CEL policies bound to requests.

A policy says what to check, a binding where and with which parameters. Policies and bindings are compiled when they
change. A policy that does not compile fails by its failure policy on every request it is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from apimachinery.errors import APIError, Invalid, NotFound
from apimachinery.objects.metadata import Obj
from apimachinery.objects.selectors import from_label_selector
from apimachinery.patches import json_patch
from apimachinery.resources import RESOURCES
from apimachinery.schema.tables import from_openapi, schema_for
from apiserver.admission.cel import CompileError, EvaluationError, Expression, compile_expression
from apiserver.admission.cel_authorizer import authorizer_value
from apiserver.admission.chain import AdmissionAttributes, PluginServices
from apiserver.admission.matching import (
    EXEMPT,
    Condition,
    ConditionError,
    Matcher,
    Versions,
    authorizer_variable,
    conditions_hold,
    request_object,
)

_GROUP: Final = "admissionregistration.k8s.io"
_VARIABLES: Final = ("object", "oldObject", "request", "params", "namespaceObject", "variables", "authorizer")
_CODES: Final = {"Unauthorized": 401, "Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}


def _expression(source: str) -> Expression:
    return compile_expression(source, _VARIABLES)


@dataclass(slots=True)
class Validation:
    """One compiled validation."""

    expression: Expression
    message: str
    message_expression: Expression | None
    reason: str


@dataclass(slots=True)
class Policy:
    """One compiled policy. `error` says why it can't be enforced."""

    name: str
    matcher: Matcher
    ignore_failure: bool
    reinvoke: bool
    param_kind: Obj | None
    variables: list[tuple[str, Expression]] = field(default_factory=list)
    validations: list[Validation] = field(default_factory=list)
    audit: list[tuple[str, Expression]] = field(default_factory=list)
    mutations: list[tuple[str, Expression]] = field(default_factory=list)
    error: str = ""


@dataclass(slots=True)
class Binding:
    """One binding of a policy."""

    name: str
    policy: str
    matcher: Matcher | None
    actions: tuple[str, ...]
    param_ref: Obj | None


def compile_policy(raw: Obj) -> Policy:
    """Compile a policy of either kind."""
    spec = raw.get("spec") or {}
    constraints = spec.get("matchConstraints") or {}
    matcher = Matcher.of(
        constraints, constraints.get("resourceRules") or (), constraints.get("excludeResourceRules") or ()
    )
    policy = Policy(
        name=raw["metadata"]["name"],
        matcher=matcher,
        ignore_failure=spec.get("failurePolicy") == "Ignore",
        reinvoke=spec.get("reinvocationPolicy") == "IfNeeded",
        param_kind=spec.get("paramKind"),
    )
    try:
        _fill(policy, spec)
    except CompileError as error:
        policy.error = f"compilation error: compilation failed: {error}"
    return policy


def _fill(policy: Policy, spec: Obj) -> None:
    for raw in spec.get("matchConditions") or ():
        policy.matcher.conditions.append(Condition(raw.get("name", ""), _expression(raw["expression"])))
    for raw in spec.get("variables") or ():
        policy.variables.append((raw["name"], _expression(raw["expression"])))
    for raw in spec.get("validations") or ():
        written = raw.get("messageExpression", "")
        policy.validations.append(
            Validation(
                expression=_expression(raw["expression"]),
                message=raw.get("message", "").strip() or f"failed expression: {raw['expression'].strip()}",
                message_expression=_expression(written) if written else None,
                reason=raw.get("reason") or "Invalid",
            )
        )
    for raw in spec.get("auditAnnotations") or ():
        policy.audit.append((raw["key"], _expression(raw["valueExpression"])))
    for raw in spec.get("mutations") or ():
        kind = raw.get("patchType", "")
        part = raw.get("applyConfiguration") if kind == "ApplyConfiguration" else raw.get("jsonPatch")
        policy.mutations.append((kind, _expression((part or {})["expression"])))


def compile_binding(raw: Obj) -> Binding:
    """Compile a binding of either kind."""
    spec = raw.get("spec") or {}
    match = spec.get("matchResources")
    matcher = None
    if match:
        everything = [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*", "*/*"]}]
        matcher = Matcher.of(match, match.get("resourceRules") or everything, match.get("excludeResourceRules") or ())
    return Binding(
        name=raw["metadata"]["name"],
        policy=spec.get("policyName", ""),
        matcher=matcher,
        actions=tuple(spec.get("validationActions") or ("Deny",)),
        param_ref=spec.get("paramRef"),
    )


class Engine:
    """Policies and bindings of one kind, and how they are evaluated."""

    def __init__(self, services: PluginServices, policies: str, bindings: str) -> None:
        self._policies = services.listers(f"{policies}.{_GROUP}")
        self._bindings = services.listers(f"{bindings}.{_GROUP}")
        self._namespaces = services.listers("namespaces")
        self._listers = services.listers
        self._authorizer = services.authorizer
        self._client = services.client
        self._versions = Versions(services.listers)
        self._stale = True
        self._pairs: list[tuple[Policy, list[Binding]]] = []
        for lister in (self._policies, self._bindings):
            lister.on_touch(self._touched)

    def _touched(self, _key: str) -> None:
        self._stale = True

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

    async def namespace(self, attrs: AdmissionAttributes) -> Obj | None:
        """Return the namespace of the request."""
        if not attrs.namespace or attrs.group_resource == "namespaces":
            return None
        found: Obj | None = self._namespaces.get(None, attrs.namespace)
        if found is None:
            try:
                found = await self._client.get("namespaces", attrs.namespace)
            except NotFound:
                return None
        return found

    def is_for(self, attrs: AdmissionAttributes, matcher: Matcher, namespace: Obj | None) -> bool:
        """Tell whether rules and selectors match."""
        return matcher.resource_for(attrs, self._versions) is not None and matcher.labels_match(attrs, namespace)

    def params(self, policy: Policy, binding: Binding, attrs: AdmissionAttributes) -> list[Obj | None]:
        """Return the parameter objects of a binding ([None] for policies without).

        Raises:
            EvaluationError: none found, and the binding says that is an error.
        """
        if not policy.param_kind:
            return [None]
        reference = binding.param_ref
        if not reference:
            return [None]
        lister, namespaced = self._param_lister(policy.param_kind)
        namespace = reference.get("namespace") or attrs.namespace if namespaced else None
        if reference.get("name"):
            found = [lister.get(namespace, reference["name"])]
        else:
            selector = from_label_selector(reference.get("selector") or {})
            found = [obj for obj in lister.list(namespace) if selector.matches(obj["metadata"].get("labels") or {})]
        present = [obj for obj in found if obj is not None]
        if not present and reference.get("parameterNotFoundAction", "Deny") == "Deny":
            raise EvaluationError("no params found for policy binding with `Deny` parameterNotFoundAction")
        return list(present)

    def _param_lister(self, kind: Obj) -> tuple[Any, bool]:
        wanted = (kind.get("apiVersion"), kind.get("kind"))
        for resource in RESOURCES:
            if (resource.api_version, resource.kind) == wanted:
                return self._listers(resource.group_resource), resource.namespaced
        for crd in self._listers("customresourcedefinitions.apiextensions.k8s.io").list():
            names = crd["spec"]["names"]
            group = str(wanted[0]).partition("/")[0]
            if crd["spec"]["group"] == group and names["kind"] == wanted[1]:
                lister = self._listers(f"{names['plural']}.{group}")
                return lister, crd["spec"].get("scope") == "Namespaced"
        raise EvaluationError(f"failed to find resource referenced by paramKind: '{wanted[0]}, Kind={wanted[1]}'")

    def conditions(self, policy: Policy, attrs: AdmissionAttributes, namespace: Obj | None) -> bool:
        """Evaluate the match conditions."""
        more = {"namespaceObject": namespace, "params": None}
        return conditions_hold(policy.matcher.conditions, attrs, self._authorizer, more=more)

    def values(
        self, policy: Policy, attrs: AdmissionAttributes, namespace: Obj | None, params: Obj | None, asks: Obj
    ) -> dict[str, Any]:
        """Return the variables of an evaluation; a composed variable that fails is left out (its use then fails)."""
        values: dict[str, Any] = {
            "object": attrs.object,
            "oldObject": attrs.old_object,
            "request": request_object(attrs),
            "params": params,
            "namespaceObject": namespace,
            "authorizer": authorizer_variable(attrs, asks),
        }
        variables: dict[str, Any] = {}
        values["variables"] = variables
        for name, expression in policy.variables:
            try:
                variables[name] = expression.evaluate(values)
            except EvaluationError:
                continue
        return values

    async def matching(self, attrs: AdmissionAttributes) -> list[tuple[Policy, Binding, Obj | None]]:
        """Return the (policy, binding, namespace) that are for a request."""
        found: list[tuple[Policy, Binding, Obj | None]] = []
        namespace: Obj | None = None
        looked = False
        for policy, bindings in self.pairs:
            if policy.matcher.resource_for(attrs, self._versions) is None:
                continue
            if not looked:
                namespace, looked = await self.namespace(attrs), True
            if not self.is_for(attrs, policy.matcher, namespace):
                continue
            found.extend(
                (policy, binding, namespace)
                for binding in bindings
                if binding.matcher is None or self.is_for(attrs, binding.matcher, namespace)
            )
        return found


def _refusal(attrs: AdmissionAttributes, policy: Policy, binding: Binding, message: str, reason: str) -> APIError:
    text = f"ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}' denied request: {message}"
    error: APIError = attrs.forbidden(text)
    error.reason, error.code = reason, _CODES.get(reason, 422)
    details = dict(error.details or {})
    details["causes"] = [{"message": text}]
    error.details = details
    return error


class _PolicyPlugin:
    name = ""

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """All requests, but for what configures admission itself."""
        del operation, subresource
        return group_resource not in EXEMPT


class ValidatingAdmissionPolicy(_PolicyPlugin):
    """The validating half."""

    name = "ValidatingAdmissionPolicy"

    def __init__(self, services: PluginServices) -> None:
        self._engine = Engine(services, "validatingadmissionpolicies", "validatingadmissionpolicybindings")
        self._authorizer = services.authorizer

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Evaluate all policies for the request; the first that denies is the answer."""
        if not self._engine.pairs:
            return
        for policy, binding, namespace in await self._engine.matching(attrs):
            for message, reason in self._problems(policy, binding, attrs, namespace):
                self._act(attrs, policy, binding, message, reason)

    def _act(self, attrs: AdmissionAttributes, policy: Policy, binding: Binding, message: str, reason: str) -> None:
        if "Warn" in binding.actions:
            attrs.warnings.append(
                f"Validation failed for ValidatingAdmissionPolicy '{policy.name}' with binding "
                f"'{binding.name}': {message}"
            )
        if "Audit" in binding.actions:
            key = "validation.policy.admission.k8s.io/validation_failure"
            entry = {"message": message, "policy": policy.name, "binding": binding.name}
            known = orjson.loads(attrs.audit.get(key, "[]"))
            attrs.audit[key] = orjson.dumps([*known, entry]).decode()
        if "Deny" in binding.actions:
            raise _refusal(attrs, policy, binding, message, reason)

    def _problems(
        self, policy: Policy, binding: Binding, attrs: AdmissionAttributes, namespace: Obj | None
    ) -> Iterator[tuple[str, str]]:
        try:
            if policy.error:
                raise EvaluationError(policy.error)
            if not self._engine.conditions(policy, attrs, namespace):
                return
            params = self._engine.params(policy, binding, attrs)
        except (EvaluationError, ConditionError) as error:
            if not policy.ignore_failure:
                yield f"failed to configure policy: {error}", "Invalid"
            return
        for one in params:
            with authorizer_value(self._authorizer, attrs.user) as asks:
                values = self._engine.values(policy, attrs, namespace, one, asks)
                yield from self._evaluate(policy, attrs, values)

    @staticmethod
    def _evaluate(policy: Policy, attrs: AdmissionAttributes, values: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for validation in policy.validations:
            try:
                passed = validation.expression.evaluate(values)
            except EvaluationError as error:
                if not policy.ignore_failure:
                    yield f"expression '{validation.expression.source}' resulted in error: {error}", "Invalid"
                continue
            if passed is True:
                continue
            message = validation.message
            if validation.message_expression is not None:
                try:
                    made = validation.message_expression.evaluate(values)
                    message = made.strip() if isinstance(made, str) and made.strip() else message
                except EvaluationError:
                    message = validation.message
            yield message, validation.reason
        for key, expression in policy.audit:
            try:
                value = expression.evaluate(values)
            except EvaluationError:
                continue
            if isinstance(value, str) and value:
                attrs.audit[f"{policy.name}/{key}"] = value


class MutatingAdmissionPolicy(_PolicyPlugin):
    """The mutating half."""

    name = "MutatingAdmissionPolicy"

    def __init__(self, services: PluginServices) -> None:
        self._engine = Engine(services, "mutatingadmissionpolicies", "mutatingadmissionpolicybindings")
        self._authorizer = services.authorizer
        self._listers = services.listers

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Apply the mutations of all policies for the request, in the order of their names."""
        if not self._engine.pairs or attrs.object is None or attrs.operation not in ("CREATE", "UPDATE"):
            return
        for policy, binding, namespace in await self._engine.matching(attrs):
            if attrs.second_round and not policy.reinvoke:
                continue
            try:
                self._apply(policy, binding, attrs, namespace)
            except (EvaluationError, ConditionError) as error:
                if policy.ignore_failure:
                    continue
                text = f"MutatingAdmissionPolicy '{policy.name}' with binding '{binding.name}' denied request: {error}"
                refused: APIError = attrs.forbidden(text)
                refused.reason, refused.code = Invalid.reason, Invalid.code
                raise refused from error

    def _apply(self, policy: Policy, binding: Binding, attrs: AdmissionAttributes, namespace: Obj | None) -> None:
        if policy.error:
            raise EvaluationError(policy.error)
        if not self._engine.conditions(policy, attrs, namespace):
            return
        for params in self._engine.params(policy, binding, attrs):
            for kind, expression in policy.mutations:
                with authorizer_value(self._authorizer, attrs.user) as asks:
                    values = self._engine.values(policy, attrs, namespace, params, asks)
                    result = expression.evaluate(values)
                self._change(attrs, kind, result)

    def _change(self, attrs: AdmissionAttributes, kind: str, result: Any) -> None:
        before: Obj = attrs.object or {}
        if kind == "JSONPatch":
            operations = [
                operation if operation.get("op") != "remove" else {"op": "remove", "path": operation["path"]}
                for operation in result
            ]
            try:
                after = json_patch.apply(before, operations)
            except APIError as error:
                raise EvaluationError(f"JSON Patch: {error.message}") from error
        else:
            after = self._merged(attrs, before, result)
        if after != before:
            attrs.object = after
            attrs.reconsider = True

    def _merged(self, attrs: AdmissionAttributes, before: Obj, applied: Any) -> Obj:
        from apiserver.apply.merge import merge_values

        if not isinstance(applied, dict):
            raise EvaluationError("ApplyConfiguration must evaluate to an Object")
        for name in ("apiVersion", "kind"):
            applied.pop(name, None)
        resource = attrs.resource
        schema = schema_for(resource.api_version, resource.kind)
        if schema is None:
            crd = self._listers("customresourcedefinitions.apiextensions.k8s.io").get(None, resource.group_resource)
            versions = ((crd or {}).get("spec") or {}).get("versions") or ()
            found: Obj = next((one for one in versions if one["name"] == resource.version), {})
            schema = from_openapi((found.get("schema") or {}).get("openAPIV3Schema"))
        merged: Obj = merge_values(orjson.loads(orjson.dumps(before)), applied, schema)
        return merged
