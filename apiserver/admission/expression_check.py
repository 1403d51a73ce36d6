"""Refuses webhooks and policies whose CEL does not compile.

Upstream does this in the validation of the kinds; here it stands beside the CEL it needs. Always on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from apimachinery.errors import Invalid
from apimachinery.objects.field_path import FieldError, FieldPath, invalid
from apimachinery.objects.metadata import Obj
from apiserver.admission.cel import CompileError, compile_expression
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, PluginServices

_GROUP: Final = "admissionregistration.k8s.io"
_WEBHOOKS: Final = frozenset({f"mutatingwebhookconfigurations.{_GROUP}", f"validatingwebhookconfigurations.{_GROUP}"})
_POLICIES: Final = frozenset({f"mutatingadmissionpolicies.{_GROUP}", f"validatingadmissionpolicies.{_GROUP}"})
_WEBHOOK_VARIABLES: Final = ("object", "oldObject", "request", "authorizer")
_POLICY_VARIABLES: Final = (*_WEBHOOK_VARIABLES, "params", "namespaceObject", "variables")
# list in the spec -> fields that hold expressions
_POLICY_FIELDS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "matchConditions": (("expression",),),
    "variables": (("expression",),),
    "validations": (("expression",), ("messageExpression",)),
    "auditAnnotations": (("valueExpression",),),
    "mutations": (("applyConfiguration", "expression"), ("jsonPatch", "expression")),
}

Found = tuple[FieldPath, str, tuple[str, ...]]


def _webhook_expressions(obj: Obj) -> Iterator[Found]:
    for position, hook in enumerate(obj.get("webhooks") or ()):
        path = FieldPath("webhooks").index(position).child("matchConditions")
        for index, condition in enumerate(hook.get("matchConditions") or ()):
            yield path.index(index).child("expression"), condition.get("expression", ""), _WEBHOOK_VARIABLES


def _policy_expressions(obj: Obj) -> Iterator[Found]:
    spec = obj.get("spec") or {}
    for part, fields in _POLICY_FIELDS.items():
        for index, row in enumerate(spec.get(part) or ()):
            for field in fields:
                value: object = row
                for name in field:
                    value = value.get(name) if isinstance(value, dict) else None
                if isinstance(value, str) and value:
                    yield FieldPath("spec").child(part).index(index).child(*field), value, _POLICY_VARIABLES


def problems(group_resource: str, obj: Obj) -> list[FieldError]:
    """Return the expressions that don't compile."""
    found = _webhook_expressions(obj) if group_resource in _WEBHOOKS else _policy_expressions(obj)
    out: list[FieldError] = []
    for path, text, variables in found:
        try:
            compile_expression(text, variables)
        except CompileError as error:
            out.append(invalid(path, text, f"compilation failed: {error}"))
    return out


class ExpressionCheck:
    """The check."""

    name = "ExpressionCheck"

    def __init__(self, services: PluginServices) -> None:
        del services

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """Writes of webhook configurations and policies."""
        return operation in (CREATE, UPDATE) and not subresource and group_resource in _WEBHOOKS | _POLICIES

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Compile all expressions."""
        if attrs.object is None:
            return
        old = attrs.old_object or {}
        if all(attrs.object.get(part) == old.get(part) for part in ("spec", "webhooks")):
            return
        found = problems(attrs.group_resource, attrs.object)
        if found:
            raise Invalid.of(attrs.resource.kind, attrs.resource.group, attrs.named(), found)
