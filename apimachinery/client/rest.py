"""The async client: a verb and a resource become one HTTP request, a `Status` becomes an exception.

One keep-alive pool per client. Watches stream lines of JSON. Nothing is retried here: reconcilers and reflectors do
that, with their own back-off.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

import aiohttp
import orjson

from apimachinery import errors
from apimachinery.client.kubeconfig import Connection, load
from apimachinery.objects.metadata import Obj
from apimachinery.objects.metadata import name as name_of
from apimachinery.objects.metadata import namespace as namespace_of
from apimachinery.resources import Resource, lookup
from component.version import KUBERNETES_VERSION

_PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
_REQUEST_SECONDS = 60.0
_CONNECT_SECONDS = 5.0
_LINE_BYTES = 2**24
_OK = 300


class Client:
    """A client of one API server.

    Args:
        connection: Where and how.
        user_agent: The program's name; the version is added.
    """

    def __init__(self, connection: Connection, *, user_agent: str) -> None:
        self.connection = connection
        self._agent = f"{user_agent}/{KUBERNETES_VERSION}"
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_kubeconfig(cls, path: str, *, user_agent: str, context: str | None = None) -> Self:
        """A client for a context of a kubeconfig (the current one by default).

        Raises:
            KubeconfigError: if the file can't be used.
        """
        return cls(load(path, context), user_agent=user_agent)

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(
                ssl=self.connection.ssl_context or False, limit=0, keepalive_timeout=90.0, ttl_dns_cache=300
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers={"User-Agent": self._agent, "Accept": "application/json"},
                timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS, sock_connect=_CONNECT_SECONDS),
                auto_decompress=True,
                read_bufsize=2**18,
            )
        return self._session

    def _credentials(self) -> dict[str, str]:
        if self.connection.token:
            return {"Authorization": f"Bearer {self.connection.token}"}
        if self.connection.token_file:
            return {"Authorization": f"Bearer {Path(self.connection.token_file).read_text().strip()}"}
        return {}

    async def _object(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Any = None, content: str = ""
    ) -> Obj:
        headers = {"Content-Type": content} if content else {"Content-Type": "application/json"} if body else {}
        data = body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else None
        status, answer = await self.raw(method, path, params=params, body=data, headers=headers)
        return _decoded(status, answer)

    async def raw(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """One request; returns status and body, whatever they are.

        Raises:
            ServiceUnavailable: where the server can't be reached or breaks off.
            Timeout: where it does not answer in time.
        """
        try:
            async with self._http().request(
                method,
                self.connection.server + path,
                params=params,
                data=body,
                headers={**self._credentials(), **(headers or {})},
            ) as reply:
                return reply.status, await reply.read()
        except TimeoutError as error:
            raise errors.Timeout(f"{method} {path}: no answer within {_REQUEST_SECONDS:.0f} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise errors.ServiceUnavailable(f"{method} {path}: {error}") from error

    async def get(
        self,
        resource: Resource | str,
        name: str,
        namespace: str | None = None,
        *,
        subresource: str = "",
        resource_version: str = "",
    ) -> Obj:
        """One object.

        Raises:
            APIError: as the server tells.
        """
        params = {"resourceVersion": resource_version} if resource_version else None
        return await self._object("GET", _resource(resource).path(namespace, name, subresource), params=params)

    async def list(
        self,
        resource: Resource | str,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_: str = "",
        resource_version: str = "",
    ) -> Obj:
        """A list object; its items lack kind and apiVersion, as upstream's do."""
        params = _present(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            limit=str(limit) if limit else "",
            **{"continue": continue_},
            resourceVersion=resource_version,
        )
        return await self._object("GET", _resource(resource).path(namespace), params=params)

    async def create(
        self,
        resource: Resource | str,
        obj: Obj,
        namespace: str | None = None,
        *,
        name: str = "",
        subresource: str = "",
        field_manager: str = "",
        dry_run: bool = False,
    ) -> Obj:
        """Create an object, or post to a subresource of `name` (binding, eviction, token)."""
        params = _present(fieldManager=field_manager, dryRun="All" if dry_run else "")
        path = _resource(resource).path(
            namespace or namespace_of(obj) or None, name if subresource else "", subresource
        )
        return await self._object("POST", path, params=params, body=obj)

    async def update(self, resource: Resource | str, obj: Obj, *, subresource: str = "") -> Obj:
        """Replace an object (or its status); its resourceVersion guards it."""
        path = _resource(resource).path(namespace_of(obj) or None, name_of(obj), subresource)
        return await self._object("PUT", path, body=obj)

    async def patch(
        self,
        resource: Resource | str,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        patch_type: str = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Obj:
        """Change an object: `merge`, `strategic`, `json` or `apply` (server-side apply)."""
        params = _present(fieldManager=field_manager, force="true" if force else "")
        path = _resource(resource).path(namespace, name, subresource)
        return await self._object("PATCH", path, params=params, body=patch, content=_PATCH_TYPES[patch_type])

    async def delete(
        self, resource: Resource | str, name: str, namespace: str | None = None, *, options: Obj | None = None
    ) -> Obj:
        """Delete an object; `options` are DeleteOptions (grace period, propagation, preconditions)."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **options} if options else None
        return await self._object("DELETE", _resource(resource).path(namespace, name), body=body)

    async def delete_collection(
        self,
        resource: Resource | str,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        options: Obj | None = None,
    ) -> Obj:
        """Delete all objects of a collection that the selectors choose."""
        params = _present(labelSelector=label_selector, fieldSelector=field_selector)
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **options} if options else None
        return await self._object("DELETE", _resource(resource).path(namespace), params=params, body=body)

    async def watch(
        self,
        resource: Resource | str,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: float | None = None,
        allow_bookmarks: bool = True,
    ) -> AsyncIterator[tuple[str, Obj]]:
        """Events as (type, object) until the server ends the watch.

        Raises:
            Expired: when the version is too old; list again then.
            ServiceUnavailable: when the connection breaks.
        """
        params = _present(
            watch="true",
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
            allowWatchBookmarks="true" if allow_bookmarks else "",
            timeoutSeconds=str(int(timeout_seconds)) if timeout_seconds else "",
        )
        path = _resource(resource).path(namespace)
        try:
            async with self._http().get(
                self.connection.server + path,
                params=params,
                headers=self._credentials(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            ) as reply:
                if reply.status >= _OK:
                    _decoded(reply.status, await reply.read())
                rest = b""
                async for chunk in reply.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    if len(rest) > _LINE_BYTES:
                        raise errors.ServiceUnavailable(f"watch {path}: a line is too long")
                    for line in lines:
                        if line:
                            event = orjson.loads(line)
                            if event["type"] == "ERROR":
                                raise errors.from_status(event["object"])
                            yield event["type"], event["object"]
        except TimeoutError as error:
            raise errors.Timeout(f"watch {path}: no answer") from error
        except (aiohttp.ClientError, OSError) as error:
            raise errors.ServiceUnavailable(f"watch {path}: {error}") from error

    async def close(self) -> None:
        """Give the connections back."""
        if self._session is not None:
            await self._session.close()
            # aiohttp closes TLS transports in the background; a turn of the loop lets it.
            await asyncio.sleep(0)


def _resource(resource: Resource | str) -> Resource:
    return lookup(resource) if isinstance(resource, str) else resource


def _present(**params: str) -> dict[str, str]:
    return {key: value for key, value in params.items() if value}


def _decoded(status: int, body: bytes) -> Obj:
    try:
        document: Any = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        document = {}
    if status < _OK and isinstance(document, dict):
        return document
    if isinstance(document, dict) and document.get("kind") == "Status":
        raise errors.from_status(document)
    raise errors.APIError(body.decode(errors="replace")[:500] or f"HTTP {status}", code=status)
