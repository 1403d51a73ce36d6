"""Everything that is not a resource: discovery, OpenAPI, health, metrics, version, OpenID documents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from apimachinery.errors import MethodNotAllowed, NotFound
from apimachinery.objects.metadata import Obj
from apimachinery.resources import RESOURCES, Resource, lookup
from apiserver.endpoints import discovery
from apiserver.endpoints.exchange import Exchange, Services
from apiserver.endpoints.health import Health, version
from apiserver.endpoints.negotiation import discovery_version
from apiserver.endpoints.openapi_documents import OpenAPIDocuments
from apiserver.endpoints.table import to_table
from apiserver.metrics import Metrics

if TYPE_CHECKING:
    from apiserver.filters.flow_control import FlowControl

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


_MOST_DOCUMENTS = 500


def tagged(exchange: Exchange, body: bytes, tag: str, content_type: str) -> web.Response:
    """Answer with a document, or 304 when the client has it already."""
    if exchange.request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers={**exchange.headers(), "ETag": tag})
    response = exchange.answer(body, content_type=content_type)
    response.headers["ETag"] = tag
    response.headers["Vary"] = "Accept"
    return response


class Documents:
    """Answers requests for other paths than resources'."""

    def __init__(
        self,
        services: Services,
        health: Health,
        metrics: Metrics,
        aggregator: Any,
        flow: FlowControl,
        openid: Mapping[str, tuple[str, bytes]],
    ) -> None:
        self._services = services
        self._health = health
        self._metrics = metrics
        self._aggregator = aggregator
        self._flow = flow
        self._openid = openid
        self._openapi = OpenAPIDocuments(services.registry, aggregator.documents)
        self._made: dict[tuple[str, str], tuple[object, bytes, str]] = {}
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
        first, *rest = path.split("/")[1:]
        if first in ("api", "apis"):
            return self._discovery(exchange, first, rest)
        if first == "openapi" and rest:
            return self._openapi.answer(exchange, rest)
        if first in ("livez", "readyz", "healthz"):
            return self._health.answer(exchange)
        if first == "debug" and rest[:1] == ["api_priority_and_fairness"]:
            return self._debug(exchange, rest[1:])
        if path in self._openid:
            content_type, body = self._openid[path]
            response = exchange.answer(body, content_type=content_type)
            response.headers["Cache-Control"] = "public, max-age=3600"
            return response
        raise NotFound.path()

    # -- discovery -------------------------------------------------------------------------------------------------

    def _resources(self) -> list[Resource]:
        return [*RESOURCES, *self._services.registry.custom_resources()]

    def _discovery(self, exchange: Exchange, root: str, rest: list[str]) -> web.Response:
        version = discovery_version(exchange.request.headers.get("Accept", "")) if not rest else ""
        content_type = "application/json"
        if version:
            content_type += f";g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
        state = (self._services.registry.generation, self._aggregator.generation)
        key = ("/".join([root, *rest]), version)
        found = self._made.get(key)
        if found is None or found[0] != state:
            body = orjson.dumps(self._discovery_document(root, rest, version)) + b"\n"
            found = (state, body, '"' + hashlib.sha256(body).hexdigest().upper() + '"')
            if len(self._made) > _MOST_DOCUMENTS:
                self._made.clear()
            self._made[key] = found
        return tagged(exchange, found[1], found[2], content_type)

    def _discovery_document(self, root: str, rest: list[str], version: str) -> Obj:
        resources = self._resources()
        if version:
            extra = self._aggregator.aggregated_groups() if root == "apis" else ()
            return discovery.aggregated(resources, core=root == "api", extra=extra, version=version)
        if root == "api":
            if not rest:
                return discovery.api_versions()
            if rest == ["v1"]:
                return discovery.api_resource_list("", "v1", resources)
            raise NotFound.path()
        if not rest:
            pairs = [
                (group["name"], one["version"]) for group in self._aggregator.groups() for one in group["versions"]
            ]
            return discovery.api_group_list(resources, pairs)
        if len(rest) == 1:
            versions = list(dict.fromkeys(one.version for one in resources if one.group == rest[0]))
            if versions:
                return discovery.api_group(rest[0], versions)
            for group in self._aggregator.groups():
                if group["name"] == rest[0]:
                    return {"kind": "APIGroup", "apiVersion": "v1", **group}
        elif len(rest) == 2 and any((one.group, one.version) == (rest[0], rest[1]) for one in resources):
            return discovery.api_resource_list(rest[0], rest[1], resources, self._storage_versions())
        raise NotFound.path()

    def _storage_versions(self) -> dict[str, str]:
        definitions = self._services.registry.lister("customresourcedefinitions.apiextensions.k8s.io").list()
        return {
            crd["metadata"]["name"]: version["name"]
            for crd in definitions
            for version in crd["spec"].get("versions") or ()
            if version.get("storage")
        }

    def _index(self, exchange: Exchange) -> web.Response:
        groups = {resource.group for resource in self._services.registry.resources() if resource.group}
        paths = ["/api", "/api/v1", "/apis", *(f"/apis/{group}" for group in sorted(groups))]
        paths += ["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
        return exchange.answer(orjson.dumps({"paths": paths}, option=orjson.OPT_INDENT_2) + b"\n")

    def _answer_metrics(self, exchange: Exchange) -> web.Response:
        for directory, cache in self._services.cached.caches().items():
            self._metrics.objects.set(directory, to=len(cache))
        self._flow.report(self._metrics)
        return exchange.answer(self._metrics.registry.exposition(), content_type=_METRICS_TYPE)

    def _debug(self, exchange: Exchange, rest: list[str]) -> web.Response:
        found = self._flow.dump(rest[0]) if len(rest) == 1 else None
        if found is None:
            raise NotFound.path()
        return exchange.answer(found, content_type="text/plain; charset=utf-8")

    async def component_statuses(self, exchange: Exchange) -> web.Response:
        """Answer the (deprecated) componentstatuses."""
        condition = {"type": "Healthy", "status": "True", "message": "ok"}
        items: list[Obj] = [{"metadata": {"name": "etcd-0"}, "conditions": [condition]}]
        wanted = exchange.info.name
        if wanted:
            items = [item for item in items if item["metadata"]["name"] == wanted]
            if not items:
                raise NotFound.path()
        if exchange.form.kind == "Table":
            now, version = self._services.clock.now(), exchange.form.api_version
            answer = to_table(lookup("componentstatuses"), items, {}, now=now, api_version=version)
        elif wanted:
            answer = {"kind": "ComponentStatus", "apiVersion": "v1", **items[0]}
        else:
            answer = {"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": items}
        return exchange.answer(orjson.dumps(answer) + b"\n")
