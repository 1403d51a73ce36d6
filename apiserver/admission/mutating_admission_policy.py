"""MutatingAdmissionPolicy: CEL policies that change objects, by apply configurations or JSON patches."""

from __future__ import annotations

from typing import Any, Final

import orjson

from apimachinery.errors import APIError
from apimachinery.objects.metadata import Obj
from apimachinery.patches import json_patch
from apimachinery.resources import Resource
from apimachinery.schema.tables import from_openapi, schema_for
from apiserver.admission.cel import EvaluationError
from apiserver.admission.cel_authorizer import authorizer_value
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, PluginServices
from apiserver.admission.matching import ConditionError
from apiserver.admission.policy_engine import ConfigurationError, Invocation, PolicyEngine

_CRDS: Final = "customresourcedefinitions.apiextensions.k8s.io"
# What identifies an object; a policy that changes it would make another one.
_IDENTITY: Final = ("apiVersion", "kind")


class MutatingAdmissionPolicy:
    """The plugin."""

    name = "MutatingAdmissionPolicy"

    def __init__(self, services: PluginServices) -> None:
        self._engine = PolicyEngine(services, "mutatingadmissionpolicies", "mutatingadmissionpolicybindings")
        self._listers = services.listers
        self._checks = services.metrics.mutating_policy_checks

    async def close(self) -> None:
        """Close the connections that conversions hold."""
        await self._engine.close()

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """Writes of all that a policy may be for."""
        del subresource
        return operation in (CREATE, UPDATE) and self._engine.handles(group_resource)

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Apply the mutations of all policies for the request, in the order of their names."""
        if not self._engine.pairs or attrs.object is None:
            return
        refused: list[str] = []
        for invocation in await self._engine.invocations(attrs):
            policy, binding = invocation.policy, invocation.binding
            if attrs.second_round and not policy.reinvoke:
                continue
            bound_by = binding.name if binding is not None else ""
            try:
                await self._apply(invocation, attrs)
            except (ConfigurationError, EvaluationError, ConditionError) as error:
                self._checks.inc("invalid_error", policy.name, bound_by)
                if not policy.ignore_failure:
                    by = f"policy '{policy.name}'" + (f" with binding '{bound_by}'" if bound_by else "")
                    refused.append(f"{by} denied request: {error}")
                continue
            self._checks.inc("no_error", policy.name, bound_by)
        if refused:
            refusal: APIError = attrs.forbidden("admission request denied by policy")
            refusal.message, refusal.reason = refused[0], "Invalid"
            refusal.details = {**(refusal.details or {}), "causes": [{"message": text} for text in refused]}
            raise refusal

    async def _apply(self, invocation: Invocation, attrs: AdmissionAttributes) -> None:
        if invocation.error is not None:
            raise invocation.error
        if not self._engine.conditions(invocation, attrs):
            return
        for kind, expression in invocation.policy.mutations:
            with authorizer_value(self._engine.authorizer, attrs.user) as asks:
                variables = await self._engine.variables(invocation, attrs, asks)
                result = variables.evaluate(expression)
            before: Obj = variables.values["object"]
            if kind == "JSONPatch":
                after = _patched(before, result)
            else:
                after = self._merged(invocation.resource, before, result)
            if after != before:
                try:
                    attrs.put(await self._engine.back(after, invocation, attrs))
                except APIError as error:
                    raise EvaluationError(error.message) from error

    def _merged(self, resource: Resource, before: Obj, applied: Any) -> Obj:
        from apiserver.apply.merge import merge_values

        if not isinstance(applied, dict):
            raise EvaluationError("ApplyConfiguration must evaluate to an Object")
        applied = {key: value for key, value in applied.items() if key not in _IDENTITY}
        schema = schema_for(resource.api_version, resource.kind)
        if schema is None:
            crd = self._listers(_CRDS).get(None, resource.group_resource)
            versions = ((crd or {}).get("spec") or {}).get("versions") or ()
            found: Obj = next((one for one in versions if one["name"] == resource.version), {})
            schema = from_openapi((found.get("schema") or {}).get("openAPIV3Schema"))
        merged: Obj = merge_values(orjson.loads(orjson.dumps(before)), applied, schema)
        return merged


def _patched(before: Obj, operations: Any) -> Obj:
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise EvaluationError("JSONPatch must evaluate to a list of JSONPatch")
    # A value that an expression left out of a removal is null, which a JSON patch may not carry.
    rows = [one if one.get("op") != "remove" else {"op": "remove", "path": one.get("path", "")} for one in operations]
    try:
        after: Obj = json_patch.apply(before, rows)
    except APIError as error:
        raise EvaluationError(f"JSON Patch: {error.message}") from error
    return after
