"""Impersonate-* headers: who the request asks to act as, and whether it may.

There are two ways to be allowed. With the verb `impersonate` somebody may do all that the other user may; with the
verbs of constrained impersonation (KEP-5284) only what they are allowed to do as that user.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from apimachinery.errors import InternalError
from apiserver.authentication.request_headers import prefixed, readable, values
from apiserver.authentication.user import (
    ALL_AUTHENTICATED,
    ALL_UNAUTHENTICATED,
    ANONYMOUS,
    NODE_PREFIX,
    NODES_GROUP,
    UserInfo,
    service_account_groups,
    split_service_account,
)
from apiserver.authorization.attributes import AuthorizationAttributes, Decision
from apiserver.authorization.registry import forbidden

_PREFIX = "impersonate-"
_GROUP = "authentication.k8s.io"
_NODE_NAME = "authentication.kubernetes.io/node-name"


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
        out += [
            ask(_GROUP, "userextras", value, subresource=key) for key, listed in self.extra.items() for value in listed
        ]
        if self.uid:
            out.append(ask(_GROUP, "uids", self.uid))
        return out

    def _constrained(self, user: UserInfo) -> Iterator[tuple[str, list[AuthorizationAttributes]]]:
        """Yield (mode, questions about the identity) of the ways in which the user may be that one in part."""

        def ask(mode: str, resource: str, name: str, **more: Any) -> AuthorizationAttributes:
            return AuthorizationAttributes(
                user, f"impersonate:{mode}", group=_GROUP, version="v1", resource=resource, name=name, **more
            )

        name_only = not (self.uid or self.groups or self.extra)
        account = split_service_account(self.name)
        if account is not None:
            if name_only:
                yield "serviceaccount", [ask("serviceaccount", "serviceaccounts", account[1], namespace=account[0])]
        elif self.name.startswith(NODE_PREFIX):
            node = self.name[len(NODE_PREFIX) :]
            if name_only and split_service_account(user.name) and user.extra.get(_NODE_NAME) == (node,):
                yield "associated-node", [ask("associated-node", "nodes", "*")]
            if name_only:
                yield "arbitrary-node", [ask("arbitrary-node", "nodes", node)]
        else:
            mode = "user-info"
            questions = [ask(mode, "users", self.name), *(ask(mode, "groups", group) for group in self.groups)]
            questions += [
                ask(mode, "userextras", value, subresource=key)
                for key, listed in self.extra.items()
                for value in listed
            ]
            if self.uid:
                questions.append(ask(mode, "uids", self.uid))
            yield mode, questions

    def _is_allowed_in_part(
        self, authorizer: AuthorizesRequests, user: UserInfo, request: AuthorizationAttributes
    ) -> bool:
        for mode, questions in self._constrained(user):
            on = replace(request, user=user, verb=f"impersonate-on:{mode}:{request.verb}")
            if all(authorizer.authorize(question).allowed for question in (*questions, on)):
                return True
        return False

    def check(self, authorizer: AuthorizesRequests, user: UserInfo, request: AuthorizationAttributes) -> UserInfo:
        """Return the new user.

        Args:
            authorizer: who decides.
            user: the present user.
            request: what is asked for.

        Raises:
            Forbidden: the present user may not act as that one.
        """
        for question in self._questions(user):
            decision = authorizer.authorize(question)
            if not decision.allowed:
                if self._is_allowed_in_part(authorizer, user, request):
                    is_node = self.name.startswith(NODE_PREFIX)
                    return self._user((NODES_GROUP,) if is_node else self.groups)
                raise forbidden(question, decision.reason)
        return self._user(self.groups)

    def _user(self, groups: tuple[str, ...]) -> UserInfo:
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
    name = readable(headers.get("Impersonate-User", ""))
    if not name and not any(key.lower().startswith(_PREFIX) for key in headers):
        return None
    groups = tuple(values(headers, "Impersonate-Group"))
    extra = prefixed(headers, "Impersonate-Extra-")
    uid = readable(headers.get("Impersonate-Uid", ""))
    if not name:
        if groups or extra or uid:
            asked = f"requested [{{Group  {groups[0]}}}]" if groups else "requested extra or uid"
            raise InternalError(f"{asked} without impersonating a user")
        return None
    return Impersonation(name, uid, groups, extra)
