"""Impersonate-* headers: who the request asks to act as, and whether it may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from apimachinery.errors import InternalError
from apiserver.authentication.request_headers import prefixed, values
from apiserver.authentication.user import (
    ALL_AUTHENTICATED,
    ALL_UNAUTHENTICATED,
    ANONYMOUS,
    UserInfo,
    service_account_groups,
    split_service_account,
)
from apiserver.authorization.attributes import AuthorizationAttributes, Decision
from apiserver.authorization.registry import forbidden

_PREFIX = "impersonate-"


class AuthorizesRequests(Protocol):
    """The part of the authorizer this needs."""

    def authorize(self, attrs: AuthorizationAttributes) -> Decision:
        """Answer one question."""


@dataclass(frozen=True, slots=True)
class Impersonation:
    """The user a request wants to be."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def _questions(self, user: UserInfo) -> list[AuthorizationAttributes]:
        def ask(group: str, resource: str, name: str, **more: Any) -> AuthorizationAttributes:
            return AuthorizationAttributes(
                user=user, verb="impersonate", group=group, version="v1", resource=resource, name=name, **more
            )

        account = split_service_account(self.name)
        if account is not None:
            out = [ask("", "serviceaccounts", account[1], namespace=account[0])]
        else:
            out = [ask("", "users", self.name)]
        out += [ask("", "groups", group) for group in self.groups]
        authentication = "authentication.k8s.io"
        out += [
            ask(authentication, "userextras", value, subresource=key)
            for key, listed in self.extra.items()
            for value in listed
        ]
        if self.uid:
            out.append(ask(authentication, "uids", self.uid))
        return out

    def check(self, authorizer: AuthorizesRequests, user: UserInfo) -> UserInfo:
        """Return the new user.

        Raises:
            Forbidden: the present user may not act as that one.
        """
        for question in self._questions(user):
            decision = authorizer.authorize(question)
            if not decision.allowed:
                raise forbidden(question, decision.reason)
        groups = self.groups
        account = split_service_account(self.name)
        if account is not None and not groups:
            groups = service_account_groups(account[0])
        if self.name == ANONYMOUS:
            if ALL_UNAUTHENTICATED not in groups:
                groups = (*groups, ALL_UNAUTHENTICATED)
        elif ALL_AUTHENTICATED not in groups and ALL_UNAUTHENTICATED not in groups:
            groups = (*groups, ALL_AUTHENTICATED)
        return UserInfo(self.name, self.uid, groups, self.extra)


def requested_user(headers: Mapping[str, str]) -> Impersonation | None:
    """Read the headers; None when there are none.

    Raises:
        InternalError: groups, extras or a UID without a user (upstream answers 500 for that).
    """
    name = headers.get("Impersonate-User", "")
    if not name and not any(key.lower().startswith(_PREFIX) for key in headers):
        return None
    groups = tuple(values(headers, "Impersonate-Group"))
    extra = prefixed(headers, "Impersonate-Extra-")
    uid = headers.get("Impersonate-Uid", "")
    if not name:
        if groups or extra or uid:
            asked = f"requested [{{Group  {groups[0]}}}]" if groups else "requested extra or uid"
            raise InternalError(f"{asked} without impersonating a user")
        return None
    return Impersonation(name, uid, groups, extra)
