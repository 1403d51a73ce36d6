"""The access reviews: may somebody (or the caller) do something, and what may the caller do."""

from __future__ import annotations

from typing import Any

from apimachinery.errors import BadRequest, Invalid
from apimachinery.objects import field_path
from apimachinery.objects.field_path import FieldError, FieldPath
from apimachinery.objects.metadata import Obj
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
        )
    path = spec.get("nonResourceAttributes") or {}
    return AuthorizationAttributes(
        user=user, verb=path.get("verb", ""), path=path.get("path", ""), resource_request=False
    )


def _validate_target(spec: Obj) -> list[FieldError]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        why = "cannot be specified in combination with resourceAttributes"
        return [field_path.invalid(_SPEC.child("nonResourceAttributes"), path, why)]
    if resource is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [field_path.invalid(_SPEC.child("resourceAttributes"), None, why)]
    return []


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
