"""ValidatingAdmissionPolicy: CEL policies that refuse, warn or note.

All policies for a request are evaluated before the first refusal is told, so that warnings and notes are whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from apimachinery.errors import APIError
from apiserver.admission.cel import EvaluationError, Expression
from apiserver.admission.cel_authorizer import authorizer_value
from apiserver.admission.chain import AdmissionAttributes, PluginServices
from apiserver.admission.matching import ConditionError
from apiserver.admission.policy_engine import Invocation, PolicyEngine, Variables

_CODES: Final = {"Unauthorized": 401, "Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}
_FAILURE: Final = "validation.policy.admission.k8s.io/validation_failure"
_MOST_MESSAGE_BYTES: Final = 5 * 1024
_MOST_ANNOTATION_CHARACTERS: Final = 10 * 1024


@dataclass(slots=True)
class Decision:
    """One thing wrong with a request."""

    message: str
    reason: str = "Invalid"
    index: int = 0
    error_type: str = "no_error"


def refusal(attrs: AdmissionAttributes, invocation: Invocation, decision: Decision) -> APIError:
    """Word a refusal."""
    by = f"ValidatingAdmissionPolicy '{invocation.policy.name}'"
    if invocation.binding is not None:
        by += f" with binding '{invocation.binding.name}'"
    text = f"{by} denied request: {decision.message}"
    error: APIError = attrs.forbidden(text)
    error.reason, error.code = decision.reason, _CODES.get(decision.reason, 422)
    error.details = {**(error.details or {}), "causes": [{"message": text}]}
    return error


def chosen_message(made: Any, default: str) -> str:
    """Return what a message expression gave, or the default where that is no fit message."""
    if not isinstance(made, str):
        return default
    text = made.strip()
    fit = text and "\n" not in text and len(text.encode()) <= _MOST_MESSAGE_BYTES
    return text if fit else default


class ValidatingAdmissionPolicy:
    """The plugin."""

    name = "ValidatingAdmissionPolicy"

    def __init__(self, services: PluginServices) -> None:
        self._engine = PolicyEngine(services, "validatingadmissionpolicies", "validatingadmissionpolicybindings")
        self._checks = services.metrics.policy_checks

    async def close(self) -> None:
        """Close the connections that conversions hold."""
        await self._engine.close()

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """All requests a policy may be for."""
        del operation, subresource
        return self._engine.handles(group_resource)

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Evaluate all policies for the request; the first that denies is the answer."""
        if not self._engine.pairs:
            return
        denied: list[APIError] = []
        published: dict[str, list[str]] = {}
        for invocation in await self._engine.invocations(attrs):
            for decision in await self._decide(invocation, attrs, published):
                denied += self._act(attrs, invocation, decision)
        for key, values in published.items():
            attrs.audit[key] = ", ".join(values)
        if denied:
            raise denied[0]

    def _act(self, attrs: AdmissionAttributes, invocation: Invocation, decision: Decision) -> list[APIError]:
        policy, binding = invocation.policy.name, invocation.binding
        # A policy that can't be applied denies, whatever its binding says.
        actions = ("Deny",) if binding is None or invocation.error is not None else binding.actions
        bound_by = binding.name if binding is not None else ""
        for action in actions:
            self._checks.inc(action.lower(), decision.error_type, policy, bound_by)
        if "Warn" in actions:
            attrs.warnings.append(
                f"Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{bound_by}': "
                f"{decision.message}"
            )
        if "Audit" in actions:
            entry = {
                "message": decision.message,
                "policy": policy,
                "binding": bound_by,
                "expressionIndex": decision.index,
                "validationActions": list(actions),
            }
            attrs.audit[_FAILURE] = orjson.dumps([*orjson.loads(attrs.audit.get(_FAILURE, "[]")), entry]).decode()
        return [refusal(attrs, invocation, decision)] if "Deny" in actions else []

    async def _decide(
        self, invocation: Invocation, attrs: AdmissionAttributes, published: dict[str, list[str]]
    ) -> list[Decision]:
        policy = invocation.policy
        if invocation.error is not None:
            failed = Decision(str(invocation.error), error_type="invalid_error")
            return [] if policy.ignore_failure else [failed]
        try:
            if not self._engine.conditions(invocation, attrs):
                return []
        except ConditionError as error:
            return [] if policy.ignore_failure else [Decision(str(error), error_type="invalid_error")]
        with authorizer_value(self._engine.authorizer, attrs.user) as asks:
            variables = await self._engine.variables(invocation, attrs, asks)
            found = self._judge(invocation, variables)
            found += self._annotate(invocation, variables, published)
        if not found:
            bound_by = invocation.binding.name if invocation.binding is not None else ""
            self._checks.inc("allow", "no_error", policy.name, bound_by)
        return found

    @staticmethod
    def _judge(invocation: Invocation, variables: Variables) -> list[Decision]:
        policy = invocation.policy
        found: list[Decision] = []
        for index, validation in enumerate(policy.validations):
            try:
                passed = variables.evaluate(validation.expression)
            except EvaluationError as error:
                if not policy.ignore_failure:
                    text = f"expression '{validation.expression.source}' resulted in error: {error}"
                    found.append(Decision(text, index=index, error_type="invalid_error"))
                continue
            if passed is True:
                continue
            message = validation.message
            if validation.message_expression is not None:
                message = chosen_message(_value(variables, validation.message_expression), message)
            found.append(Decision(message, validation.reason, index))
        return found

    @staticmethod
    def _annotate(invocation: Invocation, variables: Variables, published: dict[str, list[str]]) -> list[Decision]:
        policy = invocation.policy
        found: list[Decision] = []
        for key, expression in policy.audit:
            try:
                value = variables.evaluate(expression)
            except EvaluationError as error:
                if not policy.ignore_failure:
                    text = f"expression '{expression.source}' resulted in error: {error}"
                    found.append(Decision(text, error_type="invalid_error"))
                continue
            if isinstance(value, str) and value.strip():
                values = published.setdefault(f"{policy.name}/{key}", [])
                text = value.strip()[:_MOST_ANNOTATION_CHARACTERS]
                if text not in values:
                    values.append(text)
        return found


def _value(variables: Variables, expression: Expression) -> Any:
    """Return what an expression gives, None when it fails: a message that can't be made stops nothing."""
    try:
        return variables.evaluate(expression)
    except EvaluationError:
        return None
