"""Serves /openapi/v2 and /openapi/v3: built when they are asked for, kept until a custom resource changes."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
from aiohttp import web

from apimachinery.errors import NotFound
from apimachinery.objects.metadata import Obj
from apimachinery.resources import RESOURCES, Resource, lookup
from apiserver.aggregator.documents import RemoteDocuments
from apiserver.aggregator.openapi_merge import merged
from apiserver.endpoints import openapi, openapi_protobuf
from apiserver.endpoints.exchange import Exchange
from apiserver.registry.registry import Registry

_JSON = "application/json"
_WORTH_PACKING = 4096


class OpenAPIDocuments:
    """The documents of one server."""

    def __init__(self, registry: Registry, remote: RemoteDocuments) -> None:
        self._registry = registry
        self._remote = remote
        self._generation: object = None
        self._made: dict[str, tuple[bytes, bytes]] = {}
        self._index: Obj = {}

    def _custom(self) -> list[tuple[Resource, Obj | None]]:
        schemas: dict[tuple[str, str, str], Obj | None] = {}
        for crd in self._registry.lister(
            lookup("customresourcedefinitions.apiextensions.k8s.io").group_resource
        ).list():
            spec = crd["spec"]
            for version in spec.get("versions") or ():
                schema = (version.get("schema") or {}).get("openAPIV3Schema")
                fields = [{"fieldPath": one["jsonPath"].lstrip(".")} for one in version.get("selectableFields") or ()]
                if schema and fields:
                    schema = {**schema, "x-kubernetes-selectable-fields": fields}
                schemas[(spec["group"], version["name"], spec["names"]["plural"])] = schema
        return [
            (resource, schemas.get((resource.group, resource.version, resource.plural)))
            for resource in self._registry.custom_resources()
        ]

    def _refresh(self) -> None:
        generation = (self._registry.generation, self._remote.generation)
        if generation != self._generation:
            self._generation = generation
            self._made.clear()
            self._index = openapi.openapi_v3_index(RESOURCES, self._custom())
            links = {path: {"serverRelativeURL": url} for path, url in self._remote.openapi_v3().items()}
            self._index["paths"] = dict(sorted({**links, **self._index["paths"]}.items()))

    def answer(self, exchange: Exchange, rest: list[str]) -> web.Response:
        """Answer `/openapi/…`; `rest` is the path below it.

        Raises:
            NotFound: for other documents.
        """
        self._refresh()
        if rest == ["v2"] and openapi_protobuf.MEDIA_TYPE in exchange.request.headers.get("Accept", ""):
            # kubectl asks for nothing else, to validate what the server can't (a List).
            make = lambda: openapi_protobuf.to_protobuf(self._v2())  # noqa: E731
            return self._document(exchange, "v2.pb", make, openapi_protobuf.CONTENT_TYPE)
        if rest == ["v2"]:
            return self._document(exchange, "v2", self._v2)
        if rest == ["v3"]:
            return self._document(exchange, "v3", lambda: orjson.dumps(self._index))
        path = "/".join(rest[1:])
        linked = self._index["paths"].get(path) if rest[0] == "v3" else None
        if linked is None or rest[1] not in ("api", "apis"):
            raise NotFound.path()
        wanted = exchange.request.query.get("hash")
        if wanted and not linked["serverRelativeURL"].endswith(f"hash={wanted}"):
            # Of an earlier document: what is there now has an address of its own.
            return web.Response(status=301, headers={**exchange.headers(), "Location": linked["serverRelativeURL"]})
        group, version = ("", rest[2]) if rest[1] == "api" else (rest[2], rest[3])
        response = self._document(exchange, path, lambda: openapi.openapi_v3(group, version, RESOURCES, self._custom()))
        if wanted:
            response.headers["Cache-Control"] = "public, immutable"
        return response

    def _v2(self) -> bytes:
        return merged(openapi.openapi_v2(RESOURCES, self._custom()), self._remote.openapi_v2())

    def _document(self, exchange: Exchange, key: str, make: Any, content_type: str = _JSON) -> web.Response:
        found = self._made.get(key)
        if found is None:
            body = make()
            packed = gzip.compress(body, 1) if len(body) > _WORTH_PACKING else b""
            found = self._made[key] = (packed or body, body if not packed else b"")
        kept, plain = found
        tag = f'"{openapi.openapi_hash(kept)}"'
        headers = {**exchange.headers(), "ETag": tag, "Vary": "Accept-Encoding, Accept"}
        if exchange.request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        if plain:
            body = plain
        elif "gzip" in exchange.request.headers.get("Accept-Encoding", ""):
            body = kept
            headers["Content-Encoding"] = "gzip"
        else:
            body = gzip.decompress(kept)
        return web.Response(body=body, content_type=content_type, headers=headers)
