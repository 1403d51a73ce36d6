"""Refuses webhooks and policies whose CEL does not compile.

Upstream does this in the validation of the kinds; here it stands beside the CEL it needs. Always on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
_BOOL: Final = ("bool",)
_ANYTHING: Final = ()
# list in the spec -> fields that hold expressions, and what these may evaluate to
_POLICY_FIELDS: Final[dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]]] = {
    "matchConditions": ((("expression",), _BOOL),),
    "variables": ((("expression",), _ANYTHING),),
    "validations": ((("expression",), _BOOL), (("messageExpression",), ("string",))),
    "auditAnnotations": ((("valueExpression",), ("string", "null_type")),),
    "mutations": ((("applyConfiguration", "expression"), _ANYTHING), (("jsonPatch", "expression"), _ANYTHING)),
}


@dataclass(frozen=True, slots=True)
class _Found:
    """An expression, and what it should be."""

    path: FieldPath
    source: str
    variables: tuple[str, ...]
    types: tuple[str, ...]


def _webhook_expressions(obj: Obj) -> Iterator[_Found]:
    for position, hook in enumerate(obj.get("webhooks") or ()):
        path = FieldPath("webhooks").index(position).child("matchConditions")
        for index, condition in enumerate(hook.get("matchConditions") or ()):
            where = path.index(index).child("expression")
            yield _Found(where, condition.get("expression", ""), _WEBHOOK_VARIABLES, _BOOL)


def _policy_expressions(obj: Obj) -> Iterator[_Found]:
    spec = obj.get("spec") or {}
    for part, fields in _POLICY_FIELDS.items():
        for index, row in enumerate(spec.get(part) or ()):
            for field, types in fields:
                value: object = row
                for name in field:
                    value = value.get(name) if isinstance(value, dict) else None
                if isinstance(value, str) and value:
                    yield _Found(
                        FieldPath("spec").child(part).index(index).child(*field), value, _POLICY_VARIABLES, types
                    )


def _problem(found: _Found) -> FieldError | None:
    try:
        expression = compile_expression(found.source, found.variables)
    except CompileError as error:
        return invalid(found.path, found.source, f"compilation failed: {error}")
    known = expression.type and not (expression.type == "dyn" and "variables" in expression.variables)
    if not known or not found.types or expression.type in found.types:
        return None
    one, *more = found.types
    wanted = f"one of [{' '.join(found.types)}]" if more else one
    return invalid(found.path, found.source, f"must evaluate to {wanted}")


def problems(group_resource: str, obj: Obj) -> list[FieldError]:
    """Return the expressions that don't compile or evaluate to the wrong type."""
    found = _webhook_expressions(obj) if group_resource in _WEBHOOKS else _policy_expressions(obj)
    return [problem for problem in map(_problem, found) if problem is not None]


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
