"""The `authorizer` variable of CEL: asks the server's own authorizer.

A CEL value can't hold a Python object, so an authorizer is a map with a handle; the live ones are kept in a table for
the time of one evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from apiserver.authentication.user import UserInfo, service_account_groups, service_account_name
from apiserver.authorization.attributes import AuthorizationAttributes, Decision

HANDLE: Final = "\x00authorizer"
_live: dict[int, tuple[Any, UserInfo]] = {}
_next = iter(range(1, 1 << 62))


@contextmanager
def authorizer_value(authorizer: Any, user: UserInfo) -> Iterator[dict[str, Any]]:
    """Give the CEL value for an authorizer that asks for a user."""
    handle = next(_next)
    _live[handle] = (authorizer, user)
    try:
        yield {HANDLE: handle}
    finally:
        del _live[handle]


def _with(field: str) -> Callable[[dict[str, Any], str], dict[str, Any]]:
    def add(value: dict[str, Any], text: str) -> dict[str, Any]:
        return {**value, field: text}

    return add


def _resource(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {**value, "resource": name}


def _service_account(value: dict[str, Any], namespace: str, name: str) -> dict[str, Any]:
    return {**value, "account": [namespace, name]}


def _check(value: dict[str, Any], verb: str) -> dict[str, Any]:
    authorizer, user = _live[value[HANDLE]]
    if "account" in value:
        namespace, name = value["account"]
        user = UserInfo(service_account_name(namespace, name), "", service_account_groups(namespace))
    attrs = AuthorizationAttributes(
        user=user,
        verb=verb,
        group=value.get("group", ""),
        version="*",
        resource=value.get("resource", ""),
        subresource=value.get("subresource", ""),
        namespace=value.get("namespace", ""),
        name=value.get("name", ""),
        path=value.get("path", ""),
        resource_request="path" not in value,
    )
    decision: Decision = authorizer.authorize(attrs)
    return {"allowed": decision.allowed, "reason": decision.reason}


def table() -> dict[str, Callable[..., Any]]:
    """Return the functions by name."""
    return {
        "group": _with("group"),
        "resource": _resource,
        "subresource": _with("subresource"),
        "namespace": _with("namespace"),
        "name": _with("name"),
        "path": _with("path"),
        "serviceAccount": _service_account,
        "check": _check,
        "allowed": lambda decision: decision["allowed"],
        "reason": lambda decision: decision["reason"],
        "errored": lambda _: False,
        "error": lambda _: "",
    }
