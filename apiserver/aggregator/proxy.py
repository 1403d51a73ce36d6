"""Requests for API groups that other servers serve: found, signed with the front-proxy certificate, passed on.

`match` is asked for every request, so it is one look-up in a dictionary that is rebuilt when an APIService changes.
REST and watches are streamed; upgrades are pumped as bytes.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from multidict import CIMultiDict
from yarl import URL

from apimachinery.objects.metadata import Obj
from apiserver.admission.webhook_client import ServiceResolver, WebhookUnreachableError, reason
from apiserver.aggregator.apiservice import RESOURCE, available, name_of, remote
from apiserver.aggregator.documents import RemoteDocuments
from apiserver.authentication.user import UserInfo
from apiserver.endpoints.body import read_body
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.plain_error import PlainError
from component.upgrade_proxy import is_upgrade

if TYPE_CHECKING:
    import aiohttp
    from aiohttp import web

_DROPPED: Final = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_CHECK_SECONDS: Final = 5.0
_MOST_BYTES: Final = 32 * 1024 * 1024
_REDIRECTED: Final = "the backend attempted to redirect this request, which is not permitted"


class Aggregator:
    """Knows the remote APIServices and how to reach them."""

    def __init__(self, options: Any, listers: Callable[[str], Any], client: Any) -> None:
        self._options = options
        self._listers = listers
        self._client = client
        self._services = listers(RESOURCE)
        self._resolver = ServiceResolver(listers)
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._stale = True
        self._changes = 0
        self._remote: dict[tuple[str, str], Obj] = {}
        self.documents = RemoteDocuments(self.fetch)
        self.watched_services: set[str] = set()
        """`namespace/name` of Services behind remote APIServices."""
        self._services.on_touch(self._touched)

    def _touched(self, _key: str) -> None:
        self._stale = True
        self._changes += 1

    @property
    def generation(self) -> tuple[int, int]:
        """Differs when what discovery tells of remote services may differ."""
        return (self._changes, self.documents.generation)

    @property
    def _by_group(self) -> dict[tuple[str, str], Obj]:
        if self._stale:
            self._stale = False
            self._remote = {}
            for service in self._services.list():
                spec = service.get("spec") or {}
                if remote(service) is not None:
                    self._remote[(spec.get("group", ""), spec.get("version", ""))] = service
            targets = [remote(service) or {} for service in self._remote.values()]
            self.watched_services = {f"{target.get('namespace')}/{target.get('name')}" for target in targets}
            self.documents.keep_only({service["metadata"]["name"] for service in self._remote.values()})
        return self._remote

    def match(self, path: str) -> Obj | None:
        """Return the remote APIService a path belongs to, be it of a resource or of an OpenAPI v3 document."""
        if path.startswith("/openapi/v3/apis/"):
            path = path.removeprefix("/openapi/v3")
        if not path.startswith("/apis/"):
            return None
        services = self._by_group
        if not services:
            return None
        parts = path.split("/", 4)
        return services.get((parts[2], parts[3])) if len(parts) > 3 else None

    # -- discovery -------------------------------------------------------------------------------------------------

    def groups(self) -> list[Obj]:
        """Return the APIGroups of remote services (for the legacy discovery)."""
        by_group: dict[str, list[Obj]] = {}
        for (group, _), service in self._by_group.items():
            by_group.setdefault(group, []).append(service["spec"])
        out: list[Obj] = []
        for group, specs in sorted(by_group.items()):
            specs.sort(key=lambda spec: -int(spec.get("versionPriority") or 0))
            versions = [{"groupVersion": f"{group}/{spec['version']}", "version": spec["version"]} for spec in specs]
            out.append({"name": group, "versions": versions, "preferredVersion": versions[0]})
        return out

    def aggregated_groups(self) -> list[Obj]:
        """Return APIGroupDiscovery items of remote services (v2)."""
        out: list[Obj] = []
        for group in self.groups():
            versions = []
            for version in group["versions"]:
                service = self._by_group.get((group["name"], version["version"]))
                resources = self.documents.resources(name_of(group["name"], version["version"]))
                fresh = service is not None and available(service) and resources is not None
                entry: Obj = {"version": version["version"], "freshness": "Current" if fresh else "Stale"}
                if fresh:
                    entry["resources"] = resources
                versions.append(entry)
            out.append({"metadata": {"name": group["name"], "creationTimestamp": None}, "versions": versions})
        return out

    # -- calls -----------------------------------------------------------------------------------------------------

    def resolve(self, service: Obj) -> tuple[str, int]:
        """Return an address of a remote service.

        Raises:
            WebhookUnreachableError: it has none.
        """
        target = remote(service) or {}
        return self._resolver.resolve(
            target.get("namespace", ""), target.get("name", ""), int(target.get("port") or 443)
        )

    def _context(self, spec: Obj) -> ssl.SSLContext:
        bundle = spec.get("caBundle") or ""
        context = ssl.create_default_context(cadata=base64.b64decode(bundle).decode() if bundle else None)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if spec.get("insecureSkipTLSVerify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self._options.proxy_client_cert_file:
            context.load_cert_chain(self._options.proxy_client_cert_file, self._options.proxy_client_key_file)
        return context

    def _session(self, spec: Obj) -> aiohttp.ClientSession:
        import aiohttp

        mark = f"{spec.get('caBundle') or ''}|{bool(spec.get('insecureSkipTLSVerify'))}"
        key = hashlib.sha256(mark.encode()).hexdigest()
        session = self._sessions.get(key)
        if session is None or session.closed:
            connector = aiohttp.TCPConnector(ssl=self._context(spec), limit=0, keepalive_timeout=30)
            session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
            self._sessions[key] = session
        return session

    def _target(self, service: Obj, path: str) -> tuple[str, str]:
        address, port = self.resolve(service)
        target = remote(service) or {}
        host = f"[{address}]" if ":" in address else address
        return f"https://{host}:{port}{path}", f"{target.get('name')}.{target.get('namespace')}.svc"

    async def check(self, service: Obj, path: str) -> tuple[int, str]:
        """GET a path whoever the server is (as upstream's check does); return the status and the URL.

        Raises:
            WebhookUnreachableError: no answer.
        """
        spec = {**service["spec"], "caBundle": "", "insecureSkipTLSVerify": True}
        unverified = {**service, "spec": spec}
        status, _ = await self.fetch(unverified, path)
        return status, self._target(service, path)[0]

    async def fetch(self, service: Obj, path: str, accept: str = "application/json") -> tuple[int, bytes]:
        """GET a path of a remote service as the server itself.

        Raises:
            WebhookUnreachableError: no answer, or far too much of one.
        """
        import aiohttp

        url, name = self._target(service, path)
        headers = {"Host": name, "Accept": accept, "X-Remote-User": "system:kube-aggregator"}
        headers["X-Remote-Group"] = "system:masters"
        wait = aiohttp.ClientTimeout(total=_CHECK_SECONDS)
        try:
            session = self._session(service["spec"])
            async with session.get(
                url, headers=headers, timeout=wait, server_hostname=name, allow_redirects=False
            ) as response:
                body = await response.content.read(_MOST_BYTES)
                if response.headers.get("Content-Encoding") == "gzip":
                    body = zlib.decompressobj(wbits=31).decompress(body, _MOST_BYTES)
                return response.status, body
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, zlib.error) as error:
            raise WebhookUnreachableError(f'Get "{url}": {reason(error)}') from error

    async def handle(self, exchange: Exchange, service: Obj) -> web.StreamResponse:
        """Pass a request on.

        Raises:
            PlainError: the extension server can't be reached, or did what it may not.
        """
        exchange.leave()  # the extension server has limits of its own
        if not available(service):
            raise PlainError(503, "service unavailable")
        request = exchange.request
        try:
            url, name = self._target(service, request.raw_path)
        except WebhookUnreachableError as error:
            raise PlainError(503, "service unavailable") from error
        headers = _forwarded(request, exchange.user)
        headers["Audit-Id"] = exchange.audit_id
        if is_upgrade(request.headers):
            return await self._upgrade(request, service, (url, name), headers)
        headers["Host"] = name
        return await self._stream(exchange, service, (url, name), headers)

    async def _upgrade(
        self, request: web.BaseRequest, service: Obj, target: tuple[str, str], headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        from component.upgrade_proxy import proxy_upgrade

        url, name = target
        headers["Connection"], headers["Upgrade"] = "Upgrade", request.headers["Upgrade"]
        try:
            answer = await proxy_upgrade(request, url, headers, self._context(service["spec"]), name)
        except (OSError, TimeoutError, ValueError) as error:
            if request.transport is None:
                raise
            raise PlainError(503, f"error trying to reach service: {reason(error)}") from error
        if answer.status < 400 and answer.status != 101:
            raise PlainError(503, f"invalid upgrade response: status code {answer.status}")
        return answer

    async def _stream(
        self, exchange: Exchange, service: Obj, target: tuple[str, str], headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        import aiohttp
        from aiohttp import web

        request = exchange.request
        body = await read_body(exchange) if request.body_exists else None
        wait = aiohttp.ClientTimeout(total=None, sock_connect=_CHECK_SECONDS)
        url, name = target
        response: web.StreamResponse | None = None
        whole = False
        try:
            session = self._session(service["spec"])
            async with session.request(
                request.method,
                URL(url, encoded=True),
                data=body,
                headers=headers,
                timeout=wait,
                allow_redirects=False,
                server_hostname=name,
                # What a client does not say, such as a content type, isn't said for it.
                skip_auto_headers=("Content-Type", "User-Agent", "Accept", "Accept-Encoding"),
            ) as answer:
                if 300 <= answer.status < 400 and "Location" in answer.headers:
                    raise PlainError(502, _REDIRECTED)
                response = web.StreamResponse(status=answer.status, reason=answer.reason)
                for key, value in answer.headers.items():
                    if key.lower() not in _DROPPED or (key.lower() == "content-length" and request.method == "HEAD"):
                        response.headers.add(key, value)
                if "Content-Length" in answer.headers and request.method != "HEAD":
                    response.content_length = int(answer.headers["Content-Length"])
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                whole = True
                return response
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            if response is not None and response.prepared:
                raise ConnectionResetError(str(error)) from error
            raise PlainError(503, f"error trying to reach service: {reason(error)}") from error
        finally:
            # Half an answer, of whatever cause, is told as such: the connection ends in the middle of it.
            if response is not None and response.prepared and not whole and request.transport is not None:
                request.transport.abort()

    async def run(self) -> None:
        """Keep conditions up to date until cancelled."""
        from apiserver.aggregator.availability import Availability

        try:
            await Availability(self._options, self._listers, self._client, self).run()
        finally:
            for session in self._sessions.values():
                await session.close()


def _forwarded(request: web.BaseRequest, user: UserInfo) -> CIMultiDict[str]:
    headers = CIMultiDict(
        (key, value)
        for key, value in request.headers.items()
        if key.lower() not in _DROPPED and not key.lower().startswith(("x-remote-", "impersonate-"))
    )
    headers["X-Remote-User"] = user.name
    if user.uid:
        headers["X-Remote-Uid"] = user.uid
    for group in user.groups:
        headers.add("X-Remote-Group", group)
    for key, values in user.extra.items():
        for value in values:
            headers.add("X-Remote-Extra-" + quote(key, safe=""), value)
    if request.remote:
        before = request.headers.get("X-Forwarded-For")
        headers["X-Forwarded-For"] = f"{before}, {request.remote}" if before else request.remote
    return headers
