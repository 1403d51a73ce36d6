"""Who may ask the kubelet what: client certificates or TokenReview, then SubjectAccessReview on the node's
subresources.

Decisions are cached for a moment, as upstream caches them, so that a stream of requests asks the API server once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from apimachinery.client.rest import Client
from apimachinery.errors import APIError
from kubelet.options import Config

Obj = dict[str, Any]

ALLOWED_FOR = 300.0
DENIED_FOR = 30.0
TOKEN_FOR = 120.0

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_SUBRESOURCES = (("/stats", "stats"), ("/metrics", "metrics"), ("/logs", "log"), ("/checkpoint", "checkpoint"))
_FINE_GRAINED = {"/pods": "pods", "/runningpods": "pods", "/healthz": "healthz", "/configz": "configz"}


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated caller."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = field(default_factory=dict, hash=False, compare=False)


def subject(peer: dict[str, Any]) -> User | None:
    """The user a verified client certificate names."""
    names = [value for row in peer.get("subject") or () for key, value in row if key == "commonName"]
    groups = [value for row in peer.get("subject") or () for key, value in row if key == "organizationName"]
    return User(names[0], groups=(*groups, "system:authenticated")) if names else None


def subresource(path: str) -> str:
    """The node subresource a path belongs to."""
    for prefix, name in _SUBRESOURCES:
        if path.startswith(prefix):
            return name
    return "proxy"


def fine_grained(path: str) -> str | None:
    """The narrower subresource that suffices as well (KEP-2862)."""
    return next((name for prefix, name in _FINE_GRAINED.items() if path.startswith(prefix)), None)


class Auth:
    """Authenticates and authorizes requests."""

    def __init__(self, client: Client, node: str, config: Config) -> None:
        self._client = client
        self._node = node
        self._config = config
        self._tokens: dict[str, tuple[float, User | None]] = {}
        self._decisions: dict[tuple[User, str, str], tuple[float, bool]] = {}

    async def check(self, request: web.Request) -> None:
        """Let the request pass or raise the HTTP answer."""
        user = await self._authenticate(request)
        if user is None:
            raise web.HTTPUnauthorized(text="Unauthorized")
        if self._config.always_allow():
            return
        verb = _VERBS.get(request.method, "get")
        wanted = subresource(request.path)
        narrow = fine_grained(request.path)
        for name in ([narrow] if narrow else []) + [wanted]:
            if name and await self._allowed(user, verb, name):
                return
        names = " ".join(n for n in (narrow, wanted) if n)
        raise web.HTTPForbidden(
            text=f"Forbidden (user={user.name}, verb={verb}, resource=nodes, subresource(s)=[{names}])"
        )

    async def _authenticate(self, request: web.Request) -> User | None:
        transport = request.transport
        peer = transport.get_extra_info("peercert") if transport else None
        if peer and self._config.client_ca():
            user = subject(peer)
            if user is not None:
                return user
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token and self._config.webhook_authentication():
            return await self._review(token.strip())
        if self._config.anonymous() and not token:
            return User("system:anonymous", groups=("system:unauthenticated",))
        return None

    async def _review(self, token: str) -> User | None:
        now = time.monotonic()
        held = self._tokens.get(token)
        if held is not None and now < held[0]:
            return held[1]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        try:
            status = (await self._client.create("tokenreviews.authentication.k8s.io", body)).get("status") or {}
        except (APIError, OSError) as error:
            raise web.HTTPInternalServerError(text=f"Authorization error: {error}") from error
        user: User | None = None
        if status.get("authenticated"):
            info = status["user"]
            user = User(info["username"], info.get("uid", ""), tuple(info.get("groups") or ()), info.get("extra") or {})
        if len(self._tokens) > 1000:
            self._tokens.clear()
        self._tokens[token] = (now + TOKEN_FOR, user)
        return user

    async def _allowed(self, user: User, verb: str, name: str) -> bool:
        now = time.monotonic()
        key = (user, verb, name)
        held = self._decisions.get(key)
        if held is not None and now < held[0]:
            return held[1]
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user.name,
                "uid": user.uid,
                "groups": list(user.groups),
                "extra": user.extra,
                "resourceAttributes": {
                    "verb": verb,
                    "version": "v1",
                    "resource": "nodes",
                    "subresource": name,
                    "name": self._node,
                },
            },
        }
        try:
            status = (await self._client.create("subjectaccessreviews.authorization.k8s.io", body)).get("status") or {}
        except (APIError, OSError) as error:
            raise web.HTTPInternalServerError(text=f"Authorization error (user={user.name}): {error}") from error
        allowed = bool(status.get("allowed"))
        if len(self._decisions) > 1000:
            self._decisions.clear()
        self._decisions[key] = (now + (ALLOWED_FOR if allowed else DENIED_FOR), allowed)
        return allowed
