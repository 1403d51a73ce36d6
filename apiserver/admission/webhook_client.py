"""Calls webhooks: finds where a Service's endpoints are, trusts the given CA, keeps to the deadline.

One HTTP session per webhook configuration entry (its CA), kept alive between calls. Services are resolved by the
server itself, from Service and EndpointSlices, because it has no cluster DNS.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from apimachinery.objects.metadata import Obj

if TYPE_CHECKING:
    import aiohttp

_SLICES = "endpointslices.discovery.k8s.io"
_SERVICE_NAME = "kubernetes.io/service-name"
_MOST_BYTES = 16 * 1024 * 1024


class WebhookUnreachableError(Exception):
    """The call did not happen, or gave no usable answer."""


class ServiceResolver:
    """Finds an address behind a Service port."""

    def __init__(self, listers: Callable[[str], Any]) -> None:
        self._services = listers("services")
        self._slices = listers(_SLICES)
        self._turn = itertools.count()

    def resolve(self, namespace: str, name: str, port: int) -> tuple[str, int]:
        """Return (address, port) of a ready endpoint, or of an ExternalName.

        Raises:
            WebhookUnreachableError: no such Service, port or endpoint.
        """
        service: Obj | None = self._services.get(namespace, name)
        if service is None:
            raise WebhookUnreachableError(f'service "{name}" not found')
        spec = service.get("spec") or {}
        if spec.get("type") == "ExternalName":
            return str(spec.get("externalName", "")), port
        wanted = next((one for one in spec.get("ports") or () if one.get("port") == port), None)
        if wanted is None:
            raise WebhookUnreachableError(f'no service port {port} found for service "{name}"')
        found = [address for part in self._slices.list(namespace) for address in _ready(part, name, wanted)]
        if not found:
            raise WebhookUnreachableError(f'no endpoints available for service "{name}"')
        return found[next(self._turn) % len(found)]


def _ready(part: Obj, service: str, wanted: Obj) -> list[tuple[str, int]]:
    if (part["metadata"].get("labels") or {}).get(_SERVICE_NAME) != service:
        return []
    name = wanted.get("name") or ""
    port = next((one.get("port") for one in part.get("ports") or () if (one.get("name") or "") == name), None)
    if port is None:
        return []
    return [
        (address, int(port))
        for endpoint in part.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint.get("addresses") or ()
    ]


class Answer:
    """What a webhook said."""

    __slots__ = ("body", "status")

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body


class WebhookClient:
    """Posts JSON to webhooks."""

    def __init__(self, listers: Callable[[str], Any]) -> None:
        self._listers = listers
        self._resolver: ServiceResolver | None = None
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    @property
    def resolver(self) -> ServiceResolver:
        """The resolver, made when first needed."""
        if self._resolver is None:
            self._resolver = ServiceResolver(self._listers)
        return self._resolver

    def _session(self, bundle: str) -> aiohttp.ClientSession:
        import aiohttp

        key = hashlib.sha256(bundle.encode()).hexdigest()
        session = self._sessions.get(key)
        if session is None or session.closed:
            context = ssl.create_default_context()
            if bundle:
                context = ssl.create_default_context(cadata=base64.b64decode(bundle).decode())
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            connector = aiohttp.TCPConnector(ssl=context, keepalive_timeout=30, limit=0, force_close=False)
            session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
            self._sessions[key] = session
        return session

    @staticmethod
    def shown_url(config: Obj, query: str = "") -> str:
        """Return the URL as messages show it."""
        service = config.get("service")
        if service:
            host = f"{service['name']}.{service['namespace']}.svc:{service.get('port') or 443}"
            url = f"https://{host}{service.get('path') or '/'}"
        else:
            url = str(config.get("url", ""))
        return url + (("&" if "?" in url else "?") + query if query else "")

    async def post(self, config: Obj, body: Any, *, timeout: float, query: str = "") -> Answer:
        """Post to `clientConfig`.

        Raises:
            WebhookUnreachableError: with the text upstream shows after `failed to call webhook: `.
        """
        import aiohttp

        shown = self.shown_url(config, query)
        payload = orjson.dumps(body)
        service = config.get("service")
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "kube-apiserver"}
        target, server_name = shown, None
        try:
            if service:
                port = int(service.get("port") or 443)
                address, target_port = self.resolver.resolve(service["namespace"], service["name"], port)
                server_name = f"{service['name']}.{service['namespace']}.svc"
                path = shown.partition(".svc:")[2].partition("/")[2]
                literal = f"[{address}]" if ":" in address else address
                target = f"https://{literal}:{target_port}/{path}"
                headers["Host"] = server_name
            session = self._session(config.get("caBundle") or "")
            wait = aiohttp.ClientTimeout(total=timeout)
            extra: dict[str, Any] = {"server_hostname": server_name} if server_name else {}
            async with session.post(
                target, data=payload, headers=headers, timeout=wait, allow_redirects=False, **extra
            ) as response:
                data = await response.content.read(_MOST_BYTES)
                return Answer(response.status, data)
        except TimeoutError as error:
            raise WebhookUnreachableError(f'Post "{shown}": context deadline exceeded') from error
        except aiohttp.ClientError as error:
            raise WebhookUnreachableError(f'Post "{shown}": {reason(error)}') from error
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise WebhookUnreachableError(f'Post "{shown}": {error}') from error
        except WebhookUnreachableError as error:
            raise WebhookUnreachableError(f'Post "{shown}": {error}') from error

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()


def reason(error: Exception) -> str:
    """Return why a call has failed, in the words of Go where clients look for them."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        return "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    if "Connect call failed" in text or "Cannot connect" in text:
        return f"dial tcp: connect: connection refused ({text})"
    return text or type(error).__name__
