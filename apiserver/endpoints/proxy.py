"""The proxy subresource of pods, services and nodes: HTTP (and upgrades) passed on, links in pages rewritten."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from apimachinery.errors import BadRequest, ServiceUnavailable
from apimachinery.objects.metadata import Obj
from apiserver.endpoints.connect import forwarded_headers
from apiserver.endpoints.exchange import Exchange
from apiserver.endpoints.kubelets import Kubelets
from apiserver.registry.store import Store
from component.upgrade_proxy import is_upgrade, proxy_upgrade

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
    }
)
_LINK = re.compile(rb"""(<[a-z]+\b[^>]*?\b(?:href|src|action)\s*=\s*["']?)(/(?!/)[^"'\s>]*)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """`[scheme:]name[:port]` of a proxy path."""

    scheme: str
    name: str
    port: str


def parse_target(text: str) -> Target:
    """Parse the name part of a proxy path; `BadRequest`."""
    parts = text.split(":")
    if len(parts) == 1:
        return Target("http", parts[0], "")
    if len(parts) == 2:
        if parts[0] in ("http", "https"):  # `https:name`
            return Target(parts[0], parts[1], "")
        return Target("http", parts[0], parts[1])
    if len(parts) == 3 and parts[0] in ("http", "https", ""):
        return Target(parts[0] or "http", parts[1], parts[2])
    raise BadRequest(f'invalid proxy target "{text}"')


def split_path(path: str, *, namespaced: bool) -> tuple[str, str]:
    """Split a path after its proxy subresource; namespaces and names may begin with "proxy" too.

    Args:
        path: `/api/v1/[namespaces/NAMESPACE/]RESOURCE/NAME/proxy[/REST]`.
        namespaced: whether it has a namespace.
    """
    head = 8 if namespaced else 6
    pieces = path.split("/", head)
    return "/".join(pieces[:head]), f"/{pieces[head]}" if len(pieces) > head else ""


async def pod(exchange: Exchange, store: Store) -> web.StreamResponse:
    """Answer /pods/[scheme:]NAME[:port]/proxy/…."""
    target = parse_target(exchange.info.name)
    found = await store.read(await store.find(exchange.info.namespace, target.name))
    address = (found.get("status") or {}).get("podIP")
    if not address:
        raise BadRequest("address not allowed")
    return await _pass(exchange, target.scheme, address, target.port or _first_port(found))


def _first_port(found: Obj) -> str:
    for container in found["spec"].get("containers") or []:
        for port in container.get("ports") or []:
            return str(port["containerPort"])
    return "80"


async def service(exchange: Exchange, store: Store) -> web.StreamResponse:
    """Answer /services/[scheme:]NAME[:port]/proxy/…."""
    target = parse_target(exchange.info.name)
    found = await store.read(await store.find(exchange.info.namespace, target.name))
    port = _service_port(found, target, exchange)
    address, number = _endpoint(exchange, target.name, port)
    return await _pass(exchange, target.scheme, address, str(number))


def _service_port(found: Obj, target: Target, exchange: Exchange) -> Obj:
    ports: list[Obj] = (found.get("spec") or {}).get("ports") or []
    for port in ports:
        if target.port in (port.get("name") or "", str(port.get("port"))) and (target.port or len(ports) == 1):
            return port
    if not target.port and ports:
        if len(ports) == 1:
            return ports[0]
        unnamed = [port for port in ports if not port.get("name")]
        if unnamed:
            return unnamed[0]
    raise ServiceUnavailable(f'no service port "{target.port}" found for service "{exchange.info.name}"')


def _endpoint(exchange: Exchange, name: str, port: Obj) -> tuple[str, int]:
    """Return a ready endpoint of a service's port."""
    found = []
    for piece in exchange.services.registry.lister("endpointslices.discovery.k8s.io").list(exchange.info.namespace):
        if (piece["metadata"].get("labels") or {}).get("kubernetes.io/service-name") != name:
            continue
        for one in piece.get("ports") or []:
            if (one.get("name") or "") != (port.get("name") or ""):
                continue
            found += [(endpoint["addresses"][0], one["port"]) for endpoint in _ready(piece)]
    if not found:
        raise ServiceUnavailable(f'no endpoints available for service "{name}"')
    return random.choice(found)  # noqa: S311 - spreads load


def _ready(piece: Obj) -> list[Obj]:
    """Return the endpoints of a slice that can be reached."""
    return [
        endpoint
        for endpoint in piece.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False and endpoint.get("addresses")
    ]


async def node(exchange: Exchange, store: Store) -> web.StreamResponse:
    """Answer /nodes/[scheme:]NAME[:port]/proxy/…."""
    target = parse_target(exchange.info.name)
    await store.find("", target.name)
    kubelets: Kubelets = exchange.services.parts["kubelets"]
    host, _, port = kubelets.address(target.name, target.port).rpartition(":")
    explicit = ":" in exchange.info.name and target.port
    scheme = (
        target.scheme if explicit and target.scheme == "http" and exchange.info.name.startswith("http:") else "https"
    )
    return await _pass(exchange, scheme, host, port, kubelet=True)


async def _pass(exchange: Exchange, scheme: str, host: str, port: str, *, kubelet: bool = False) -> web.StreamResponse:
    info, request = exchange.info, exchange.request
    if not port.isdecimal():
        raise BadRequest(f'invalid port "{port}"')
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    raw_path, _, raw_query = request.raw_path.partition("?")
    prefix, rest = split_path(raw_path, namespaced=bool(info.namespace))
    if not rest and info.method in ("GET", "HEAD"):
        location = f"{prefix}/" + (f"?{raw_query}" if raw_query else "")
        return web.Response(status=301, headers={"Location": location})
    url = f"{scheme}://{host}:{port}{rest or '/'}" + (f"?{raw_query}" if raw_query else "")
    kubelets: Kubelets = exchange.services.parts["kubelets"]
    tls = kubelets.tls if kubelet else kubelets.unverified
    headers = CIMultiDict(
        (key, value)
        for key, value in forwarded_headers(exchange).items()
        if is_upgrade(request.headers) or key.lower() not in _HOP_BY_HOP - {"content-length"}
    )
    headers["X-Forwarded-Uri"] = prefix + rest
    if request.remote:
        headers["X-Forwarded-For"] = request.remote
    try:
        if is_upgrade(request.headers):
            return await proxy_upgrade(request, url, headers, tls)
        return await _exchange(exchange, kubelets, url, headers, prefix, tls)
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise ServiceUnavailable(f"error trying to reach service: {error}") from error


async def _exchange(
    exchange: Exchange, kubelets: Kubelets, url: str, headers: CIMultiDict[str], prefix: str, tls: object
) -> web.StreamResponse:
    import yarl

    request = exchange.request
    async with kubelets.session.request(
        request.method,
        yarl.URL(url, encoded=True),
        headers=headers,
        data=request.content if request.can_read_body else None,
        ssl=tls,  # type: ignore[arg-type]
        allow_redirects=False,
        # What a client does not say, such as a content type, isn't said for it.
        skip_auto_headers=("Content-Type", "User-Agent", "Accept"),
    ) as answer:
        passed = [(key, value) for key, value in answer.headers.items() if key.lower() not in _HOP_BY_HOP]
        response = web.StreamResponse(status=answer.status)
        for key, value in passed:
            if key.lower() == "location" and value.startswith("/"):
                value = prefix + value
            response.headers.add(key, value)
        page = answer.headers.get("Content-Type", "").startswith("text/html") and not answer.headers.get(
            "Content-Encoding"
        )
        if page:
            body = rewrite_links(await answer.read(), prefix.encode())
            response.content_length = len(body)
            await response.prepare(request)
            await response.write(body)
        else:
            length = answer.headers.get("Content-Length")
            if length and request.method != "HEAD":
                response.content_length = int(length)
            await response.prepare(request)
            async for data in answer.content.iter_any():
                await response.write(data)
        await response.write_eof()
        return response


def rewrite_links(page: bytes, prefix: bytes) -> bytes:
    """Put the proxied prefix before absolute paths in a page's links."""

    def put(match: re.Match[bytes]) -> bytes:
        link = match[2]
        return match[1] + (link if link.startswith(prefix) else prefix + link)

    return _LINK.sub(put, page)
