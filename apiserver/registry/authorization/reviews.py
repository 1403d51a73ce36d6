"""The access reviews: may somebody (or the caller) do something, and what may the caller do."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from apimachinery.errors import BadRequest, Invalid
from apimachinery.objects import field_path
from apimachinery.objects.field_path import FieldError, FieldPath
from apimachinery.objects.label_selector_grammar import parse_label_selector
from apimachinery.objects.metadata import Obj
from apimachinery.objects.selectors import (
    FieldRequirement,
    Requirement,
    SelectorError,
    from_label_selector,
    parse_field_selector,
)
from apiserver.authentication.user import UserInfo
from apiserver.authorization.attributes import AuthorizationAttributes
from apiserver.authorization.registry import Authorizer

_GROUP = "authorization.k8s.io"
_SPEC = FieldPath("spec")


def _attributes(spec: Obj, user: UserInfo) -> AuthorizationAttributes:
    resource = spec.get("resourceAttributes")
    if resource is not None:
        return AuthorizationAttributes(
            user=user,
            verb=resource.get("verb", ""),
            group=resource.get("group", ""),
            version=resource.get("version", "") or "*",
            resource=resource.get("resource", ""),
            subresource=resource.get("subresource", ""),
            namespace=resource.get("namespace", ""),
            name=resource.get("name", ""),
            field_selector=_field_requirements(resource.get("fieldSelector") or {}),
            label_selector=_label_requirements(resource.get("labelSelector") or {}),
        )
    path = spec.get("nonResourceAttributes") or {}
    return AuthorizationAttributes(
        user=user, verb=path.get("verb", ""), path=path.get("path", ""), resource_request=False
    )


def _field_requirements(selector: Obj) -> tuple[FieldRequirement, ...]:
    """Return what narrows the question; requirements that can't be expressed are left out, which never allows more."""
    with suppress(SelectorError):
        if selector.get("rawSelector"):
            return parse_field_selector(selector["rawSelector"]).requirements
    rows = selector.get("requirements") or ()
    return tuple(
        FieldRequirement(row.get("key", ""), row["values"][0], row["operator"] == "In")
        for row in rows
        if row.get("operator") in ("In", "NotIn") and len(row.get("values") or ()) == 1
    )


def _label_requirements(selector: Obj) -> tuple[Requirement, ...]:
    with suppress(SelectorError):
        if selector.get("rawSelector"):
            return parse_label_selector(selector["rawSelector"]).requirements
        return from_label_selector({"matchExpressions": selector.get("requirements") or []}).requirements
    return ()


def _validate_selector(selector: Obj, path: FieldPath) -> list[FieldError]:
    raw, rows = selector.get("rawSelector"), selector.get("requirements") or []
    if raw and rows:
        return [
            field_path.invalid(path.child("rawSelector"), raw, "may not specified at the same time as requirements")
        ]
    if not raw and not rows:
        why = f"when {path} is specified, requirements or rawSelector is required"
        return [field_path.required(path.child("requirements"), why)]
    out: list[FieldError] = []
    for index, row in enumerate(rows):
        where, values = path.child("requirements").index(index), row.get("values") or []
        operator = row.get("operator", "")
        if not row.get("key"):
            out.append(field_path.required(where.child("key"), "must be specified"))
        if operator in ("In", "NotIn") and not values:
            why = "must be specified when `operator` is 'In' or 'NotIn'"
            out.append(field_path.required(where.child("values"), why))
        elif operator in ("Exists", "DoesNotExist") and values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            out.append(field_path.forbidden(where.child("values"), why))
        elif operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            out.append(field_path.invalid(where.child("operator"), operator, "not a valid selector operator"))
    return out


def _validate_target(spec: Obj) -> list[FieldError]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        why = "cannot be specified in combination with resourceAttributes"
        return [field_path.invalid(_SPEC.child("nonResourceAttributes"), path, why)]
    if resource is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [field_path.invalid(_SPEC.child("resourceAttributes"), None, why)]
    return [
        problem
        for name in ("fieldSelector", "labelSelector")
        if (selector := (resource or {}).get(name)) is not None
        for problem in _validate_selector(selector, _SPEC.child("resourceAttributes", name))
    ]


def _validate_subject(spec: Obj) -> list[FieldError]:
    if spec.get("user") or spec.get("groups"):
        return []
    return [field_path.invalid(_SPEC.child("user"), "", "at least one of user or group must be specified")]


class AuthorizationReviews:
    """Answers with the server's own authorizer."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def _answer(self, obj: Obj, user: UserInfo) -> Obj:
        decision = self._authorizer.authorize(_attributes(obj.get("spec") or {}, user))
        status: dict[str, Any] = {"allowed": decision.allowed}
        if decision.denied:
            status["denied"] = True
        if decision.reason:
            status["reason"] = decision.reason
        return {**obj, "status": status}

    def _subject(self, kind: str, obj: Obj) -> UserInfo:
        spec = obj.get("spec") or {}
        problems = _validate_target(spec) + _validate_subject(spec)
        if problems:
            raise Invalid.of(kind, _GROUP, "", problems)
        extra = {key.lower(): tuple(values or ()) for key, values in (spec.get("extra") or {}).items()}
        return UserInfo(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()), extra)

    async def subject_access_review(self, user: UserInfo, obj: Obj, namespace: str, name: str) -> Obj:
        """May the named user do it."""
        del user, namespace, name
        return self._answer(obj, self._subject("SubjectAccessReview", obj))

    async def local_subject_access_review(self, user: UserInfo, obj: Obj, namespace: str, name: str) -> Obj:
        """May the named user do it in this namespace."""
        del user, name
        spec = obj.get("spec") or {}
        subject = self._subject("LocalSubjectAccessReview", obj)
        target = (spec.get("resourceAttributes") or {}).get("namespace", "")
        if target != namespace:
            raise BadRequest(f"spec.resourceAttributes.namespace must match namespace: {namespace}")
        return self._answer(obj, subject)

    async def self_subject_access_review(self, user: UserInfo, obj: Obj, namespace: str, name: str) -> Obj:
        """May the caller do it."""
        del namespace, name
        problems = _validate_target(obj.get("spec") or {})
        if problems:
            raise Invalid.of("SelfSubjectAccessReview", _GROUP, "", problems)
        return self._answer(obj, user)

    async def self_subject_rules_review(self, user: UserInfo, obj: Obj, namespace: str, name: str) -> Obj:
        """What may the caller do in a namespace."""
        del namespace, name
        scope = (obj.get("spec") or {}).get("namespace", "")
        if not scope:
            raise BadRequest("no namespace on request")
        rules, incomplete, error = self._authorizer.rules_for(user, scope)
        keep = ("verbs", "apiGroups", "resources", "resourceNames")
        status: dict[str, Any] = {
            "resourceRules": [
                {key: rule[key] for key in keep if rule.get(key)} for rule in rules if not rule.get("nonResourceURLs")
            ],
            "nonResourceRules": [
                {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
                for rule in rules
                if rule.get("nonResourceURLs")
            ],
            "incomplete": incomplete,
        }
        if error:
            status["evaluationError"] = error
        return {**obj, "status": status}
