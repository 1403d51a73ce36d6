"""The `authorizer` variable of CEL: asks the server's own authorizer.

A CEL value can't hold a Python object, so an authorizer is a map with a handle; the live ones are kept in a table for
the time of one evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from apimachinery.objects.label_selector_grammar import parse_label_selector
from apimachinery.objects.selectors import SelectorError, parse_field_selector
from apiserver.admission.cel_types import Function
from apiserver.authentication.user import UserInfo, service_account_groups, service_account_name
from apiserver.authorization.attributes import AuthorizationAttributes, Decision

HANDLE: Final = "\x01authorizer"
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


def _requirements(parse: Callable[[str], Any], text: str) -> tuple[Any, ...]:
    """Return what narrows the question; a selector that can't be read leaves it wide, which never allows more."""
    try:
        return tuple(parse(text).requirements) if text else ()
    except SelectorError:
        return ()


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
        field_selector=_requirements(parse_field_selector, value.get("fields", "")),
        label_selector=_requirements(parse_label_selector, value.get("labels", "")),
    )
    decision: Decision = authorizer.authorize(attrs)
    return {"allowed": decision.allowed, "reason": decision.reason}


AUTHORIZER: Final = "kubernetes.authorization.Authorizer"
_PATH: Final = "kubernetes.authorization.PathCheck"
_GROUP: Final = "kubernetes.authorization.GroupCheck"
RESOURCE: Final = "kubernetes.authorization.ResourceCheck"
_DECISION: Final = "kubernetes.authorization.Decision"

FUNCTIONS: Final = tuple(
    Function(name, parameters, result, run, member=True)
    for name, parameters, result, run in (
        ("path", (AUTHORIZER, "string"), _PATH, _with("path")),
        ("group", (AUTHORIZER, "string"), _GROUP, _with("group")),
        ("serviceAccount", (AUTHORIZER, "string", "string"), AUTHORIZER, _service_account),
        ("resource", (_GROUP, "string"), RESOURCE, _resource),
        ("subresource", (RESOURCE, "string"), RESOURCE, _with("subresource")),
        ("namespace", (RESOURCE, "string"), RESOURCE, _with("namespace")),
        ("name", (RESOURCE, "string"), RESOURCE, _with("name")),
        ("fieldSelector", (RESOURCE, "string"), RESOURCE, _with("fields")),
        ("labelSelector", (RESOURCE, "string"), RESOURCE, _with("labels")),
        ("check", (_PATH, "string"), _DECISION, _check),
        ("check", (RESOURCE, "string"), _DECISION, _check),
        ("allowed", (_DECISION,), "bool", lambda decision: decision["allowed"]),
        ("reason", (_DECISION,), "string", lambda decision: decision["reason"]),
        ("errored", (_DECISION,), "bool", lambda _: False),
        ("error", (_DECISION,), "string", lambda _: ""),
    )
)
