"""Admission policies and their bindings (their expressions are compiled by the server's admission)."""

import re
from collections.abc import Iterable

from apimachinery.apis.admissionregistration.rules import condition_problems, rule_problems, selector_problems
from apimachinery.apis.field_rules import Errors, label_selector, one_of
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, forbidden, invalid, not_supported, required
from apimachinery.objects.metadata import Obj

_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_ACTIONS = ("Audit", "Deny", "Warn")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
_PATCH_FIELDS = ("jsonPatch", "applyConfiguration")
_PATCHES = ("ApplyConfiguration", "JSONPatch")
_WITH_WARN = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and "
    "headers serves no purpose)"
)


def policy_problems(spec: Obj, here: FieldPath, *, validating: bool) -> Errors:
    """What is wrong with a policy's spec."""
    errors = one_of(spec.get("failurePolicy"), here.child("failurePolicy"), ("Fail", "Ignore"))
    errors.extend(_param_kind(spec.get("paramKind"), here.child("paramKind")))
    constraints = spec.get("matchConstraints")
    where = here.child("matchConstraints")
    if not constraints:
        errors.append(required(where))
    else:
        if not constraints.get("resourceRules"):
            errors.append(required(where.child("resourceRules")))
        errors.extend(_match(constraints, where))
    errors.extend(condition_problems(spec, here))
    errors.extend(_variables(spec.get("variables") or (), here.child("variables")))
    if validating:
        errors.extend(_validations(spec, here))
    else:
        errors.extend(_mutations(spec, here))
    return errors


def _match(match: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    for field in ("resourceRules", "excludeResourceRules"):
        for position, rule in enumerate(match.get(field) or ()):
            errors.extend(rule_problems(rule, here.child(field).index(position)))
    return errors + selector_problems(match, here)


def _param_kind(kind: Obj | None, here: FieldPath) -> Errors:
    if kind is None:
        return []
    return [required(here.child(field)) for field in ("apiVersion", "kind") if not kind.get(field)]


def _variables(variables: Iterable[Obj], here: FieldPath) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for position, variable in enumerate(variables):
        where = here.index(position)
        name = variable.get("name") or ""
        if not name:
            errors.append(required(where.child("name"), "name is not specified"))
        elif not _IDENTIFIER.fullmatch(name):
            errors.append(invalid(where.child("name"), name, "name is not a valid CEL identifier"))
        elif name in seen:
            errors.append(duplicate(where.child("name"), name))
        seen.add(name)
        errors.extend(_expression(variable, "expression", where))
    return errors


def _expression(row: Obj, field: str, here: FieldPath) -> Errors:
    if (row.get(field) or "").strip():
        return []
    return [required(here.child(field), f"{field} is not specified")]


def _validations(spec: Obj, here: FieldPath) -> Errors:
    errors: Errors = []
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        told = "validations or auditAnnotations must contain at least one item"
        errors.append(required(here.child("validations"), told))
    for position, row in enumerate(spec.get("validations") or ()):
        errors.extend(_validation(row, here.child("validations").index(position)))
    seen: set[str] = set()
    for position, row in enumerate(spec.get("auditAnnotations") or ()):
        where, key = here.child("auditAnnotations").index(position), row.get("key") or ""
        if not key:
            errors.append(required(where.child("key"), "key is not specified"))
        elif key in seen:
            errors.append(duplicate(where.child("key"), key))
        else:
            errors.extend(invalid(where.child("key"), key, told) for told in names.qualified_name_problems(key))
        seen.add(key)
        errors.extend(_expression(row, "valueExpression", where))
    return errors


def _validation(row: Obj, here: FieldPath) -> Errors:
    errors = _expression(row, "expression", here)
    message, expression = row.get("message") or "", row.get("expression") or ""
    if message and not message.strip():
        errors.append(invalid(here.child("message"), message, "message must be non-empty if specified"))
    elif "\n" in message.strip():
        errors.append(invalid(here.child("message"), message, "message must not contain line breaks"))
    elif "\n" in expression.strip() and not message:
        errors.append(required(here.child("message"), "message must be specified if expression contains line breaks"))
    if row.get("reason") and row["reason"] not in _REASONS:
        errors.append(not_supported(here.child("reason"), row["reason"], _REASONS))
    return errors


def _mutations(spec: Obj, here: FieldPath) -> Errors:
    errors = one_of(spec.get("reinvocationPolicy"), here.child("reinvocationPolicy"), ("IfNeeded", "Never"))
    if not spec.get("mutations"):
        errors.append(required(here.child("mutations"), "mutations must contain at least one item"))
    for position, row in enumerate(spec.get("mutations") or ()):
        where, kind = here.child("mutations").index(position), row.get("patchType")
        problems = one_of(kind, where.child("patchType"), _PATCHES)
        errors.extend(problems)
        if problems:
            continue
        field, other = (
            ("jsonPatch", "applyConfiguration") if kind == "JSONPatch" else ("applyConfiguration", "jsonPatch")
        )
        if row.get(field) is None:
            errors.append(required(where.child(field), f"must be specified when patchType is {kind}"))
        else:
            errors.extend(_expression(row[field], "expression", where.child(field)))
        if row.get(other) is not None:
            errors.append(invalid(where.child(other), row[other], f"must not be specified when patchType is {kind}"))
    return errors


def binding_problems(spec: Obj, here: FieldPath, *, validating: bool) -> Errors:
    """What is wrong with a binding's spec."""
    errors: Errors = []
    name = spec.get("policyName") or ""
    if not name:
        errors.append(required(here.child("policyName")))
    else:
        errors.extend(invalid(here.child("policyName"), name, one) for one in names.dns1123_subdomain_problems(name))
    errors.extend(_param_ref(spec.get("paramRef"), here.child("paramRef")))
    if spec.get("matchResources"):
        errors.extend(_match(spec["matchResources"], here.child("matchResources")))
    if validating:
        errors.extend(_actions(spec.get("validationActions") or [], here.child("validationActions")))
    return errors


def _actions(actions: list[str], here: FieldPath) -> Errors:
    if not actions:
        return [required(here, "at least one validation action is required")]
    errors: Errors = []
    for position, one in enumerate(actions):
        if one not in _ACTIONS:
            errors.append(not_supported(here.index(position), one, _ACTIONS))
        elif one in actions[:position]:
            errors.append(duplicate(here.index(position), one))
    if "Deny" in actions and "Warn" in actions:
        errors.append(invalid(here, actions, _WITH_WARN))
    return errors


def _param_ref(reference: Obj | None, here: FieldPath) -> Errors:
    if reference is None:
        return []
    errors: Errors = []
    name, selector = reference.get("name") or "", reference.get("selector")
    if name and selector is not None:
        told = "name and selector are mutually exclusive"
        errors += [forbidden(here.child("name"), told), forbidden(here.child("selector"), told)]
    elif not name and selector is None:
        told = "one of name or selector must be specified"
        errors += [required(here.child("name"), told), required(here.child("selector"), told)]
    elif name:
        errors.extend(invalid(here.child("name"), name, one) for one in names.dns1123_subdomain_problems(name))
    else:
        errors.extend(label_selector(selector, here.child("selector")))
    action = reference.get("parameterNotFoundAction")
    if action is None:
        errors.append(required(here.child("parameterNotFoundAction"), ""))
    elif action not in ("Allow", "Deny"):
        errors.append(not_supported(here.child("parameterNotFoundAction"), action, ("Allow", "Deny")))
    return errors
