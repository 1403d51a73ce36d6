"""The authorizers in order, and the error a refusal becomes.

`system:masters` passes first, then each mode of `--authorization-mode` in turn; the first that allows or vetoes
decides. Nothing here waits or writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from apimachinery.errors import Forbidden
from apimachinery.objects.metadata import Obj
from apiserver.authentication.user import MASTERS, UserInfo
from apiserver.authorization.attributes import AuthorizationAttributes, Decision
from apiserver.authorization.node import NodeAuthorizer, node_name
from apiserver.authorization.rbac import RBAC

__all__ = ["AuthorizationAttributes", "Authorizer", "Decision", "forbidden"]


class OneAuthorizer(Protocol):
    """One mode."""

    def authorize(self, attrs: AuthorizationAttributes) -> Decision:
        """Answer one question."""


class AlwaysAllow:
    """Mode AlwaysAllow."""

    def __init__(self, listers: Callable[[str], Any]) -> None:
        del listers

    def authorize(self, attrs: AuthorizationAttributes) -> Decision:
        """Allow."""
        del attrs
        return Decision(allowed=True)


class AlwaysDeny:
    """Mode AlwaysDeny."""

    def __init__(self, listers: Callable[[str], Any]) -> None:
        del listers

    def authorize(self, attrs: AuthorizationAttributes) -> Decision:
        """Refuse."""
        del attrs
        return Decision(allowed=False, reason="Everything is forbidden.")


MODES: Final[dict[str, Callable[[Callable[[str], Any]], OneAuthorizer]]] = {
    "Node": NodeAuthorizer,
    "RBAC": RBAC,
    "AlwaysAllow": AlwaysAllow,
    "AlwaysDeny": AlwaysDeny,
}


class Authorizer:
    """All modes as one."""

    def __init__(self, options: Any, listers: Callable[[str], Any]) -> None:
        modes = tuple(getattr(options, "authorization_mode", ()) or ("AlwaysAllow",))
        unknown = [mode for mode in modes if mode not in MODES]
        if unknown:
            raise ValueError(f'unknown authorization mode "{unknown[0]}" specified, valid: {", ".join(MODES)}')
        self._authorizers = [(mode, MODES[mode](listers)) for mode in modes]

    def authorize(self, attrs: AuthorizationAttributes) -> Decision:
        """Return the first firm answer; refusals carry the collected reasons."""
        if MASTERS in attrs.user.groups:
            return Decision(allowed=True)
        reasons: list[str] = []
        for _, authorizer in self._authorizers:
            decision = authorizer.authorize(attrs)
            if decision.allowed or decision.denied:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(allowed=False, reason="\n".join(reasons))

    def rules_for(self, user: UserInfo, namespace: str) -> tuple[list[Obj], bool, str]:
        """Return (rules, incomplete, evaluation error) for SelfSubjectRulesReview."""
        rules: list[Obj] = []
        errors: list[str] = []
        if MASTERS in user.groups:
            rules += [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
            rules += [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
        for _, authorizer in self._authorizers:
            if isinstance(authorizer, RBAC):
                rules += authorizer.rules_for(user, namespace)
            elif isinstance(authorizer, NodeAuthorizer) and node_name(user)[1]:
                errors.append("node authorizer does not support user rule resolution")
            elif isinstance(authorizer, AlwaysAllow):
                rules += [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
                rules += [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
        return rules, bool(errors), "; ".join(errors)


def forbidden(attrs: AuthorizationAttributes, reason: str = "") -> Forbidden:
    """Build upstream's 403 for a refused request."""
    suffix = f": {reason}" if reason else ""
    if not attrs.resource_request:
        message = f'forbidden: User "{attrs.user.name}" cannot {attrs.verb} path "{attrs.path}"{suffix}'
        return Forbidden(message, details={})
    resource = attrs.resource + (f"/{attrs.subresource}" if attrs.subresource else "")
    where = f' in the namespace "{attrs.namespace}"' if attrs.namespace else " at the cluster scope"
    why = f'User "{attrs.user.name}" cannot {attrs.verb} resource "{resource}" in API group "{attrs.group}"{where}'
    subject = attrs.resource + (f".{attrs.group}" if attrs.group else "")
    if attrs.name:
        subject = f'{subject} "{attrs.name}"'
    details: Obj = {"kind": attrs.resource}
    if attrs.name:
        details["name"] = attrs.name
    if attrs.group:
        details["group"] = attrs.group
    return Forbidden(f"{subject} is forbidden: {why}{suffix}", details=details)
