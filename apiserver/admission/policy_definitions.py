"""ValidatingAdmissionPolicy, MutatingAdmissionPolicy and their bindings, compiled (pure).

A policy that does not compile keeps its error and fails by its failure policy on every request it is for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apiserver.admission.cel import CompileError, Expression, compile_expression
from apiserver.admission.matching import Condition, Matcher

_VARIABLES: Final = ("object", "oldObject", "request", "params", "namespaceObject", "variables", "authorizer")
_EVERYTHING: Final = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*", "*/*"]}


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


# What an object that was stored before it was checked can be broken by.
_BROKEN: Final = (AttributeError, KeyError, TypeError, ValueError)


def _matcher(raw: Obj, rules: Any) -> Matcher:
    return Matcher.of(raw, rules, raw.get("excludeResourceRules") or ())


def compile_policy(raw: Obj) -> Policy:
    """Compile a policy of either kind."""
    spec = raw.get("spec") or {}
    constraints = spec.get("matchConstraints") or {}
    error = ""
    try:
        matcher = _matcher(constraints, constraints.get("resourceRules") or ())
    except _BROKEN as broken:
        matcher, error = _matcher({}, ()), f"matchConstraints: {broken}"
    policy = Policy(
        name=raw["metadata"]["name"],
        matcher=matcher,
        ignore_failure=spec.get("failurePolicy") == "Ignore",
        reinvoke=spec.get("reinvocationPolicy") == "IfNeeded",
        param_kind=spec.get("paramKind"),
        error=error,
    )
    try:
        _fill(policy, spec)
    except CompileError as wrong:
        policy.error = f"compilation error: compilation failed: {wrong}"
    except _BROKEN as broken:
        policy.error = f"compilation error: {type(broken).__name__}: {broken}"
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
        policy.mutations.append((kind, _expression((part or {}).get("expression", ""))))


def compile_binding(raw: Obj) -> Binding:
    """Compile a binding; without resource rules it is for all that its policy is for, a broken one is for nothing."""
    spec = raw.get("spec") or {}
    match = spec.get("matchResources")
    matcher = None
    if match:
        try:
            matcher = _matcher(match, match.get("resourceRules") or [_EVERYTHING])
        except _BROKEN:
            matcher = _matcher({}, ())
    return Binding(
        name=raw["metadata"]["name"],
        policy=spec.get("policyName", ""),
        matcher=matcher,
        actions=tuple(spec.get("validationActions") or ("Deny",)),
        param_ref=spec.get("paramRef"),
    )
