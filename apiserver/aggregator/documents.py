"""What extension servers tell about themselves: their resources, their OpenAPI documents.

Fetched when a server is found available and now and then after that, kept until its APIService goes.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from apimachinery.objects.metadata import Obj
from apiserver.admission.webhook_client import WebhookUnreachableError

Fetch = Callable[[Obj, str, str], Awaitable[tuple[int, bytes]]]

_EVERY_SECONDS: Final = 60.0


@dataclass(slots=True)
class _Told:
    """What one server has told."""

    spec: Obj
    resources: Obj | None = None
    v2: Obj | None = None
    v3: dict[str, str] = field(default_factory=dict)
    at: float = 0.0


class RemoteDocuments:
    """The documents of all extension servers.

    Args:
        fetch: gets a path of an APIService's server, with an Accept header.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._told: dict[str, _Told] = {}
        self.generation = 0

    def keep_only(self, names: set[str]) -> None:
        """Forget the servers of APIServices that are gone."""
        gone = set(self._told) - names
        for name in gone:
            del self._told[name]
        self.generation += bool(gone)

    async def refresh(self, service: Obj) -> None:
        """Ask an available server again, unless it was asked just now."""
        name, spec = service["metadata"]["name"], service["spec"]
        known = self._told.get(name)
        now = time.monotonic()
        if known is not None and known.spec == spec and now - known.at < _EVERY_SECONDS:
            return
        path = f"apis/{spec['group']}/{spec['version']}"
        told = _Told(spec, at=now)
        told.resources = await self._object(service, f"/{path}")
        told.v2 = await self._object(service, "/openapi/v2")
        index = await self._object(service, "/openapi/v3")
        link = ((index or {}).get("paths") or {}).get(path) or {}
        url = link.get("serverRelativeURL")
        if isinstance(url, str) and url.startswith(f"/openapi/v3/{path}"):
            told.v3[path] = url
        self._told[name] = told
        if known is None or (known.resources, known.v2, known.v3) != (told.resources, told.v2, told.v3):
            self.generation += 1

    async def _object(self, service: Obj, path: str) -> Obj | None:
        try:
            status, body = await self._fetch(service, path, "application/json")
            found = orjson.loads(body) if status == 200 else None
        except (WebhookUnreachableError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def resources(self, name: str) -> list[Obj] | None:
        """Return the resources of an APIService as aggregated discovery lists them, None if they are not known."""
        told = self._told.get(name)
        if told is None or told.resources is None:
            return None
        return discovery_resources(told.resources)

    def openapi_v2(self) -> list[tuple[str, Obj]]:
        """Return (path of the group version, document) of each server that has one."""
        return [
            (f"/apis/{told.spec['group']}/{told.spec['version']}", told.v2)
            for _, told in sorted(self._told.items())
            if told.v2 is not None
        ]

    def openapi_v3(self) -> dict[str, str]:
        """Return the links to OpenAPI v3 documents by group version."""
        return {path: url for told in self._told.values() for path, url in told.v3.items()}


def discovery_resources(found: Obj) -> list[Obj]:
    """Turn an APIResourceList into the resources of aggregated discovery. Pure; what is malformed is left out."""
    out: dict[str, Obj] = {}
    group, _, version = str(found.get("groupVersion", "")).rpartition("/")
    listed: Any = found.get("resources")
    for one in listed if isinstance(listed, list) else ():
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            continue
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
        for key in ("shortNames", "categories"):
            if one.get(key):
                entry[key] = one[key]
        out[plural] = entry
    return list(out.values())
