"""How the server reaches a node's kubelet, and other servers behind it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from apimachinery.errors import InternalError, NotFound
from apimachinery.objects.metadata import Obj
from apiserver.registry.registry import Registry
from component.serving import client_ssl_context

if TYPE_CHECKING:
    import aiohttp

    from apiserver.options import Options

_DEFAULT_PORT = 10250


class Kubelets:
    """Addresses and TLS of kubelets, and the one HTTP client session for proxied requests."""

    def __init__(self, options: Options, registry: Registry) -> None:
        self._options = options
        self._registry = registry
        self._tls: ssl.SSLContext | None = None
        self._unverified: ssl.SSLContext | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def tls(self) -> ssl.SSLContext:
        """TLS as a client of kubelets."""
        if self._tls is None:
            options = self._options
            self._tls = client_ssl_context(
                options.kubelet_certificate_authority or None,
                options.kubelet_client_certificate or None,
                options.kubelet_client_key or None,
                verify=bool(options.kubelet_certificate_authority),
            )
        return self._tls

    @property
    def unverified(self) -> ssl.SSLContext:
        """TLS as a client of pods and services, whose certificates nobody vouches for (upstream doesn't check)."""
        if self._unverified is None:
            self._unverified = client_ssl_context(verify=False)
        return self._unverified

    @property
    def session(self) -> aiohttp.ClientSession:
        """The shared client session: bodies pass through as they are."""
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=10),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    def address(self, node_name: str, port: str = "") -> str:
        """Return `host:port` of a node's kubelet (or of another port of the node)."""
        node: Obj | None = self._registry.lister("nodes").get(None, node_name)
        if node is None:
            raise NotFound.of(self._registry.store("nodes").resource, node_name)
        status = node.get("status") or {}
        found = {one.get("type"): one.get("address") for one in reversed(status.get("addresses") or [])}
        for kind in self._options.kubelet_preferred_address_types:
            if found.get(kind):
                host = found[kind]
                break
        else:
            raise InternalError(f"no preferred addresses found; known addresses: {sorted(found)}")
        if not port:
            endpoint = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
            port = str(endpoint.get("Port") or _DEFAULT_PORT)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
