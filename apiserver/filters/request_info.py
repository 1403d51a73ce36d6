"""From a path and a query to what is asked for. Pure.

Upstream's rules: `/api/VERSION/…` and `/apis/GROUP/VERSION/…` are resource requests, all else is not; a namespace in
the path is a scope unless it is itself the resource.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
_NO_QUERY: dict[str, list[str]] = {}


@dataclass(slots=True)
class RequestInfo:
    """What a request asks for."""

    method: str
    path: str
    verb: str = ""
    resource_request: bool = False
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    rest: tuple[str, ...] = ()
    query: dict[str, list[str]] = field(default_factory=dict)

    def first(self, key: str, default: str = "") -> str:
        """Return a query parameter's first value."""
        values = self.query.get(key)
        return values[0] if values else default

    def flag(self, key: str) -> bool:
        """Return a boolean query parameter, read as upstream's generated decoders do."""
        values = self.query.get(key)
        return bool(values) and values[0].lower() not in ("false", "0")  # type: ignore[index]


def parse(method: str, target: str) -> RequestInfo:
    """Parse a request line's method and target (path and query, still escaped)."""
    raw_path, question, raw_query = target.partition("?")
    path = unquote(raw_path) if "%" in raw_path else raw_path
    query = parse_qs(raw_query, keep_blank_values=True) if question else _NO_QUERY
    info = RequestInfo(method, path, method.lower(), query=query)
    parts = raw_path.split("/")
    if len(parts) > 2 and parts[1] == "api":
        info.version = parts[2]
        rest = parts[3:]
    elif len(parts) > 3 and parts[1] == "apis":
        info.group, info.version = parts[2], parts[3]
        rest = parts[4:]
    else:
        return info
    if rest and rest[-1] == "":
        rest = rest[:-1] if len(rest) == 1 or "proxy" not in rest else rest
    if not rest or not rest[0]:
        return info
    _resource(info, [unquote(part) if "%" in part else part for part in rest])
    return info


def _resource(info: RequestInfo, parts: list[str]) -> None:
    info.resource_request = True
    info.verb = _VERBS.get(info.method, "")
    if parts[0] == "watch" and len(parts) > 1:  # the deprecated form /api/v1/watch/…
        info.verb = "watch"
        parts = parts[1:]
    if parts[0] == "namespaces" and len(parts) > 1:
        info.namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
        else:
            info.resource, info.name = "namespaces", parts[1]
            info.subresource = parts[2] if len(parts) > 2 else ""
            info.rest = tuple(parts[3:])
            _list_or_watch(info)
            return
    info.resource = parts[0]
    info.name = parts[1] if len(parts) > 1 else ""
    info.subresource = parts[2] if len(parts) > 2 else ""
    info.rest = tuple(parts[3:])
    _list_or_watch(info)


def _list_or_watch(info: RequestInfo) -> None:
    if info.verb == "get" and not info.subresource:
        if info.flag("watch"):
            info.verb = "watch"
        elif not info.name:
            info.verb = "list"
    elif info.verb == "delete" and not info.name:
        info.verb = "deletecollection"
