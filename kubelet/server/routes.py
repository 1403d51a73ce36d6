"""The HTTPS server's routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from kubelet.options import Config
from kubelet.pod_workers import PodWorkers
from kubelet.server.auth import Auth
from kubelet.server.container_logs import ContainerLogs
from kubelet.server.exec import Streams
from kubelet.server.resource_metrics import Metrics
from kubelet.server.stats_summary import StatsSummary

Obj = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class ServerParts:
    """What the routes serve from."""

    workers: PodWorkers
    auth: Auth
    logs: ContainerLogs
    streams: Streams
    stats: StatsSummary
    metrics: Metrics
    config: Config


def application(parts: ServerParts) -> web.Application:
    """The server, guarded by `Auth`."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        await parts.auth.check(request)
        return await handler(request)

    async def pods(_: web.Request) -> web.StreamResponse:
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": _with_status(parts.workers)}
        return _json(body)

    async def configz(_: web.Request) -> web.StreamResponse:
        return _json(parts.config.document())

    app = web.Application(middlewares=[guard], client_max_size=1 << 20)
    add = app.router.add_route
    add("GET", "/healthz", _ok)
    add("GET", "/healthz/{check}", _ok)
    add("GET", "/pods", pods)
    add("GET", "/pods/", pods)
    add("GET", "/configz", configz)
    add("GET", "/containerLogs/{namespace}/{pod}/{container}", parts.logs.handle)
    add("GET", "/stats/summary", parts.stats.handle)
    add("GET", "/metrics", parts.metrics.kubelet)
    add("GET", "/metrics/resource", parts.metrics.resource)
    add("GET", "/metrics/cadvisor", parts.metrics.cadvisor)
    add("GET", "/metrics/probes", parts.metrics.probes)
    for method in ("GET", "POST"):
        add(method, "/exec/{namespace}/{pod}/{container}", parts.streams.exec)
        add(method, "/exec/{namespace}/{pod}/{uid}/{container}", parts.streams.exec)
        add(method, "/attach/{namespace}/{pod}/{container}", parts.streams.attach)
        add(method, "/attach/{namespace}/{pod}/{uid}/{container}", parts.streams.attach)
        add(method, "/portForward/{namespace}/{pod}", parts.streams.port_forward)
        add(method, "/portForward/{namespace}/{pod}/{uid}", parts.streams.port_forward)
    add("POST", "/run/{namespace}/{pod}/{container}", parts.streams.run)
    add("POST", "/run/{namespace}/{pod}/{uid}/{container}", parts.streams.run)
    return app


def health_application() -> web.Application:
    """The local /healthz listener."""
    app = web.Application()
    app.router.add_get("/healthz", _ok)
    return app


async def _ok(_: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")


def _json(body: Obj) -> web.Response:
    import orjson

    return web.Response(body=orjson.dumps(body), content_type="application/json")


def _with_status(workers: PodWorkers) -> list[Obj]:
    writer = workers.parts.statuses.writer
    return [
        {**pod, "status": writer.current(pod["metadata"]["uid"]) or pod.get("status") or {}} for pod in workers.pods()
    ]
