"""Everything that is not a resource: discovery, OpenAPI, health, metrics, version, OpenID documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from apimachinery.errors import MethodNotAllowed, NotFound
from apiserver.endpoints.exchange import Exchange, Services
from apiserver.endpoints.health import Health, version
from apiserver.metrics import Metrics

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Documents:
    """Answers requests for other paths than resources'."""

    def __init__(
        self,
        services: Services,
        health: Health,
        metrics: Metrics,
        aggregator: Any,
        openid: Mapping[str, tuple[str, bytes]],
    ) -> None:
        self._services = services
        self._health = health
        self._metrics = metrics
        self._aggregator = aggregator
        self._openid = openid
        self._exact: dict[str, Callable[[Exchange], web.Response]] = {
            "/": self._index,
            "/version": version,
            "/metrics": self._answer_metrics,
        }

    async def answer(self, exchange: Exchange) -> web.StreamResponse:
        """Answer a request; `NotFound` for unknown paths."""
        info = exchange.info
        if info.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("the server does not allow this method on the requested resource", details={})
        path = info.path.rstrip("/") or "/"
        exact = self._exact.get(path)
        if exact is not None:
            return exact(exchange)
        first = path.split("/")[1]
        if first in ("livez", "readyz", "healthz"):
            return self._health.answer(exchange)
        if path in self._openid:
            content_type, body = self._openid[path]
            return exchange.answer(body, content_type=content_type)
        raise NotFound.path()

    def _index(self, exchange: Exchange) -> web.Response:
        groups = {resource.group for resource in self._services.registry.resources() if resource.group}
        paths = ["/api", "/api/v1", "/apis", *(f"/apis/{group}" for group in sorted(groups))]
        paths += ["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
        return exchange.answer(orjson.dumps({"paths": paths}, option=orjson.OPT_INDENT_2) + b"\n")

    def _answer_metrics(self, exchange: Exchange) -> web.Response:
        for directory, cache in self._services.cached.caches().items():
            self._metrics.objects.set(directory, to=len(cache))
        return exchange.answer(self._metrics.registry.exposition(), content_type=_METRICS_TYPE)

    async def component_statuses(self, exchange: Exchange) -> web.Response:
        """Answer the (deprecated) componentstatuses."""
        condition = {"type": "Healthy", "status": "True", "message": "ok"}
        items = [{"metadata": {"name": name}, "conditions": [condition]} for name in ("etcd-0",)]
        if exchange.info.name:
            for item in items:
                if item["metadata"]["name"] == exchange.info.name:  # type: ignore[index]
                    return exchange.answer(
                        orjson.dumps({"kind": "ComponentStatus", "apiVersion": "v1", **item}) + b"\n"
                    )
            raise NotFound.path()
        answer = {"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": items}
        return exchange.answer(orjson.dumps(answer) + b"\n")
