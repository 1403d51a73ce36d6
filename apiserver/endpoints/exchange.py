"""One request on its way through the server, and the parts of the server it may use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from apiserver.authentication.request_headers import readable
from apiserver.authentication.user import ANONYMOUS_USER, UserInfo
from apiserver.endpoints.negotiation import Form
from apiserver.filters.request_info import RequestInfo
from apiserver.registry.registry import Registry
from apiserver.registry.strategy import Call
from apiserver.storage.cache.cached_storage import CachedStorage
from component.clock import Clock

if TYPE_CHECKING:
    from apiserver.admission.chain import Chain
    from apiserver.authorization.registry import Authorizer
    from apiserver.endpoints.parked_watch import ParkedWatch
    from apiserver.options import Options

_MOST_WARNING = 4096
_MOST_ONE_WARNING = 256


def _nothing() -> None:
    """Do nothing."""


@dataclass(slots=True)
class Services:
    """What the endpoints need of the assembled server."""

    options: Options
    clock: Clock
    cached: CachedStorage
    registry: Registry
    chain: Chain
    authorizer: Authorizer
    now: Callable[[], str]
    parts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Exchange:
    """One request: what is asked, by whom, and the warnings gathered on the way."""

    request: web.BaseRequest
    info: RequestInfo
    services: Services
    form: Form
    user: UserInfo = ANONYMOUS_USER
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    """What authorization and admission note for the audit log."""
    original: UserInfo | None = None
    """Who authenticated; `user` is another one under impersonation."""
    trail: Any = None
    """What the audit log keeps of the request."""
    on_start: Callable[[int], None] | None = None
    """Called with the status when a long answer begins."""
    audit_id: str = ""
    body: bytes = b""
    parked: ParkedWatch | None = None
    flow_headers: tuple[tuple[str, str], ...] = ()
    leave: Callable[[], None] = _nothing
    """Gives the place back that flow control has given the request; may be called early."""

    def started(self, status: int = 200) -> None:
        """A long answer begins."""
        if self.on_start is not None:
            self.on_start(status)

    def headers(self) -> dict[str, str]:
        """Return the headers every answer carries."""
        headers = {"Audit-Id": self.audit_id, "Cache-Control": "no-cache, private"}
        headers.update(self.flow_headers)
        return headers

    def answer(self, body: bytes, status: int = 200, content_type: str = "application/json") -> web.Response:
        """Return a whole answer; warnings become headers."""
        headers = self.headers()
        headers["Content-Type"] = content_type
        response = web.Response(body=body, status=status, headers=headers)
        self.warn(response)
        return response

    def wants_gzip(self) -> bool:
        """Tell whether a large answer is to be compressed: the client can take it, and is on another machine."""
        return "gzip" in self.request.headers.get("Accept-Encoding", "") and not self._is_local()

    def warn(self, response: web.StreamResponse) -> None:
        """Put the warnings into an answer's headers, each once."""
        add_warnings(response, self.warnings)

    def _is_local(self) -> bool:
        """Tell whether the client is on this machine, where compressing costs more than sending."""
        remote, transport = self.request.remote or "", self.request.transport
        if remote.startswith("127.") or remote == "::1" or transport is None:
            return True
        own = transport.get_extra_info("sockname")
        return bool(own) and own[0] == remote

    def call(self, store_resource: Any, *, subresource: str = "") -> Call:
        """Return this request as the write path sees it."""
        info = self.info
        return Call(
            resource=store_resource,
            namespace=info.namespace if store_resource.namespaced else "",
            name=info.name,
            user=self.user,
            subresource=subresource,
            manager=field_manager(self.request, info),
            dry_run=bool(info.query.get("dryRun")) and info.first("dryRun") == "All",
            force=info.flag("force"),
            now=self.services.now(),
            warnings=self.warnings,
        )


def add_warnings(response: web.StreamResponse, warnings: Iterable[str]) -> None:
    """Put warnings into an answer's headers, each once; when they are too long, upstream cuts each, then leaves out."""
    texts = list(dict.fromkeys(warnings))
    if sum(map(len, texts)) > _MOST_WARNING:
        texts = [text[:_MOST_ONE_WARNING] for text in texts]
    left = _MOST_WARNING
    for text in texts:
        left -= len(text)
        if left < 0:
            return
        response.headers.add("Warning", warning_header(text))


def warning_header(text: str) -> str:
    """Return a Warning header's value; quotes and control characters are made harmless."""
    clean = "".join(char if char.isprintable() else " " for char in text).replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{clean}"'


def field_manager(request: web.BaseRequest, info: RequestInfo) -> str:
    """Return the manager's name: as asked, else the first part of the user agent, as upstream."""
    manager = info.first("fieldManager")
    if manager:
        return manager
    return readable(request.headers.get("User-Agent", "unknown")).partition("/")[0][:128] or "unknown"
