"""Requests for API groups that other servers serve: found, signed with the front-proxy certificate, passed on.

`match` is asked for every request, so it is one look-up in a dictionary that is rebuilt when an APIService changes.
REST and watches are streamed; upgrades are pumped as bytes.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from apimachinery.errors import ServiceUnavailable
from apimachinery.objects.metadata import Obj
from apiserver.admission.webhook_client import ServiceResolver, WebhookUnreachableError
from apiserver.aggregator.apiservice import RESOURCE, available, name_of, remote
from apiserver.authentication.user import UserInfo

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
        self._remote: dict[tuple[str, str], Obj] = {}
        self._resources: dict[str, Obj] = {}
        self.watched_services: set[str] = set()
        """`namespace/name` of Services behind remote APIServices."""
        self._services.on_touch(self._touched)

    def _touched(self, _key: str) -> None:
        self._stale = True

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
            names = {service["metadata"]["name"] for service in self._remote.values()}
            self._resources = {name: found for name, found in self._resources.items() if name in names}
        return self._remote

    def match(self, path: str) -> Obj | None:
        """Return the remote APIService a path belongs to."""
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
                name = name_of(group["name"], version["version"])
                fresh = service is not None and available(service) and name in self._resources
                entry: Obj = {"version": version["version"], "freshness": "Current" if fresh else "Stale"}
                if fresh:
                    entry["resources"] = _discovery_resources(self._resources[name])
                versions.append(entry)
            out.append({"metadata": {"name": group["name"], "creationTimestamp": None}, "versions": versions})
        return out

    async def discover(self, service: Obj) -> None:
        """Fetch a remote service's resource list."""
        spec = service["spec"]
        try:
            status, body = await self.fetch(service, f"/apis/{spec['group']}/{spec['version']}")
        except WebhookUnreachableError:
            return
        if status == 200:
            try:
                self._resources[service["metadata"]["name"]] = orjson.loads(body)
            except ValueError:
                return

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

    async def fetch(self, service: Obj, path: str) -> tuple[int, bytes]:
        """GET a path of a remote service as the server itself.

        Raises:
            WebhookUnreachableError: no answer.
        """
        import aiohttp

        url, name = self._target(service, path)
        headers = {"Host": name, "X-Remote-User": "system:kube-aggregator", "X-Remote-Group": "system:masters"}
        wait = aiohttp.ClientTimeout(total=_CHECK_SECONDS)
        try:
            session = self._session(service["spec"])
            async with session.get(url, headers=headers, timeout=wait, server_hostname=name) as response:
                body = await response.read()
                if response.headers.get("Content-Encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                return response.status, body
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise WebhookUnreachableError(f'Get "{url}": {str(error) or type(error).__name__}') from error

    async def handle(self, request: web.BaseRequest, service: Obj, user: UserInfo) -> web.StreamResponse:
        """Pass a request on.

        Raises:
            ServiceUnavailable: the extension server can't be reached.
        """
        if not available(service):
            raise ServiceUnavailable("service unavailable")
        try:
            url, name = self._target(service, request.raw_path)
        except WebhookUnreachableError as error:
            raise ServiceUnavailable("service unavailable") from error
        headers = _forwarded(request, user)
        headers["Host"] = name
        if "upgrade" in request.headers.get("Connection", "").lower() and request.headers.get("Upgrade"):
            return await self._upgrade(request, service, url, headers)
        return await self._stream(request, service, (url, name), headers)

    async def _upgrade(
        self, request: web.BaseRequest, service: Obj, url: str, headers: dict[str, str]
    ) -> web.StreamResponse:
        from component.upgrade_proxy import proxy_upgrade

        context = self._context(service["spec"])
        # The address is dialled by number; that the certificate is of the given authority still holds.
        context.check_hostname = False
        headers = {**headers, "Connection": "Upgrade", "Upgrade": request.headers["Upgrade"]}
        try:
            return await proxy_upgrade(request, url, headers, context)
        except (OSError, TimeoutError) as error:
            raise ServiceUnavailable(f"error trying to reach service: {error}") from error

    async def _stream(
        self, request: web.BaseRequest, service: Obj, target: tuple[str, str], headers: dict[str, str]
    ) -> web.StreamResponse:
        import aiohttp
        from aiohttp import web

        body = await request.read() if request.body_exists else None
        wait = aiohttp.ClientTimeout(total=None, sock_connect=_CHECK_SECONDS)
        url, name = target
        try:
            session = self._session(service["spec"])
            async with session.request(
                request.method,
                url,
                data=body,
                headers=headers,
                timeout=wait,
                allow_redirects=False,
                server_hostname=name,
                # What a client does not say, such as a content type, isn't said for it.
                skip_auto_headers=("Content-Type", "User-Agent", "Accept"),
            ) as answer:
                response = web.StreamResponse(status=answer.status, reason=answer.reason)
                for key, value in answer.headers.items():
                    if key.lower() not in _DROPPED:
                        response.headers.add(key, value)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except (aiohttp.ClientConnectionError, asyncio.IncompleteReadError) as error:
            raise ServiceUnavailable(f"error trying to reach service: {error}") from error

    async def run(self) -> None:
        """Keep conditions up to date until cancelled."""
        from apiserver.aggregator.availability import Availability

        try:
            await Availability(self._options, self._listers, self._client, self).run()
        finally:
            for session in self._sessions.values():
                await session.close()


def _forwarded(request: web.BaseRequest, user: UserInfo) -> dict[str, str]:
    headers: dict[str, str] = {}
    for key, value in request.headers.items():
        low = key.lower()
        if low not in _DROPPED and not low.startswith(("x-remote-", "impersonate-")):
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
    headers["X-Remote-User"] = user.name
    if user.uid:
        headers["X-Remote-Uid"] = user.uid
    from multidict import CIMultiDict

    many: CIMultiDict[str] = CIMultiDict(headers)
    for group in user.groups:
        many.add("X-Remote-Group", group)
    for key, values in user.extra.items():
        for value in values:
            many.add("X-Remote-Extra-" + quote(key, safe=""), value)
    peer = request.remote
    if peer:
        many["X-Forwarded-For"] = peer
    return many  # type: ignore[return-value] # a mapping of text to text that may hold a key twice


def _discovery_resources(found: Obj) -> list[Obj]:
    out: dict[str, Obj] = {}
    group, _, version = str(found.get("groupVersion", "")).rpartition("/")
    for one in found.get("resources") or ():
        plural, _, sub = one["name"].partition("/")
        kind = {
            "group": one.get("group") or group,
            "version": one.get("version") or version,
            "kind": one.get("kind", ""),
        }
        if sub:
            if plural in out:
                part = {"subresource": sub, "responseKind": kind, "verbs": one.get("verbs") or []}
                out[plural].setdefault("subresources", []).append(part)
            continue
        entry: Obj = {
            "resource": plural,
            "responseKind": kind,
            "scope": "Namespaced" if one.get("namespaced") else "Cluster",
            "singularResource": one.get("singularName", ""),
            "verbs": one.get("verbs") or [],
        }
        for source, target in (("shortNames", "shortNames"), ("categories", "categories")):
            if one.get(source):
                entry[target] = one[source]
        out[plural] = entry
    return list(out.values())
