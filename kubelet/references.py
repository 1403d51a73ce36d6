"""ConfigMaps and Secrets that pods of this node refer to: fetched one by one and watched one by one.

The Node authorizer lets a kubelet read only single objects its pods mention, so there is no cluster-wide informer
here. The first use of an
object fetches it at once and then keeps a watch on it for as long as a pod refers to it; a change wakes those pods.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apimachinery.client.rest import Client
from apimachinery.errors import APIError, NotFound
from component.logging import get_logger
from component.tasks import Tasks
from kubelet.environment import references

Obj = dict[str, Any]
Key = tuple[str, str, str]
"""(resource, namespace, name)."""

log = get_logger("kubelet.references")


@dataclass(slots=True)
class _Entry:
    users: set[str] = field(default_factory=set)
    obj: Obj | None = None
    loaded: bool = False
    watch: asyncio.Task[Any] | None = None
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)


def pod_references(pod: Obj) -> set[Key]:
    """Every ConfigMap and Secret a pod mentions."""
    namespace, spec = pod["metadata"]["namespace"], pod["spec"]
    found: set[tuple[str, str]] = set()
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            found.update(references(container))
    for volume in spec.get("volumes") or ():
        found.update(_volume_references(volume))
    found.update(("secrets", item["name"]) for item in spec.get("imagePullSecrets") or () if item.get("name"))
    return {(resource, namespace, name) for resource, name in found if name}


def _volume_references(volume: Obj) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    if volume.get("configMap"):
        found.add(("configmaps", volume["configMap"].get("name") or ""))
    if volume.get("secret"):
        found.add(("secrets", volume["secret"].get("secretName") or ""))
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get("configMap"):
            found.add(("configmaps", source["configMap"].get("name") or ""))
        if source.get("secret"):
            found.add(("secrets", source["secret"].get("name") or ""))
    return found


class References:
    """One instance per kubelet."""

    def __init__(self, client: Client, tasks: Tasks, changed: Callable[[str], None]) -> None:
        self._client = client
        self._tasks = tasks
        self._changed = changed
        self._entries: dict[Key, _Entry] = {}

    async def load(self, pod: Obj) -> None:
        """Register the pod's references and fetch what is not held yet.

        Raises:
            APIError: the server could not be asked (a missing object is no error).
        """
        uid = pod["metadata"]["uid"]
        keys = pod_references(pod)
        for key in keys:
            self._entries.setdefault(key, _Entry()).users.add(uid)
        pending = [key for key in keys if not self._entries[key].loaded]
        if pending:
            await asyncio.gather(*(self._fetch(key) for key in pending))

    def lookup(self, namespace: str) -> Callable[[str, str], Obj | None]:
        """Access to loaded objects of one namespace."""

        def find(resource: str, name: str) -> Obj | None:
            entry = self._entries.get((resource, namespace, name))
            return entry.obj if entry else None

        return find

    def release(self, uid: str) -> None:
        """The pod is gone; drop watches nobody needs."""
        for key in [k for k, e in self._entries.items() if uid in e.users]:
            entry = self._entries[key]
            entry.users.discard(uid)
            if not entry.users:
                if entry.watch is not None:
                    entry.watch.cancel()
                del self._entries[key]

    async def _fetch(self, key: Key) -> None:
        entry = self._entries.get(key)
        if entry is None:
            return
        async with entry.loading:
            if entry.loaded:
                return
            resource, namespace, name = key
            version = ""
            try:
                entry.obj = await self._client.get(resource, name, namespace)
                version = entry.obj["metadata"]["resourceVersion"]
            except NotFound:
                entry.obj = None
            entry.loaded = True
            immutable = entry.obj is not None and entry.obj.get("immutable")
            if entry.watch is None and not immutable and self._entries.get(key) is entry:
                entry.watch = self._tasks.spawn(
                    lambda: self._follow(key, entry, version),
                    name=f"watch {resource} {namespace}/{name}",
                    restart=True,
                )

    async def _follow(self, key: Key, entry: _Entry, version: str) -> None:
        resource, namespace, name = key
        selector = f"metadata.name={name}"
        delay = 0.2
        while True:
            try:
                if not version:
                    version = await self._relist(key, entry)
                async for kind, obj in self._client.watch(
                    resource, namespace, resource_version=version, field_selector=selector
                ):
                    delay = 0.2
                    if kind == "ERROR":
                        version = ""
                        break
                    version = obj["metadata"]["resourceVersion"]
                    if kind != "BOOKMARK":
                        self._apply(entry, None if kind == "DELETED" else obj)
            except (APIError, OSError, TimeoutError):
                version = ""
            await asyncio.sleep(delay)
            delay = min(delay * 2, 30.0)

    async def _relist(self, key: Key, entry: _Entry) -> str:
        resource, namespace, name = key
        answer = await self._client.list(resource, namespace, field_selector=f"metadata.name={name}")
        items = answer.get("items") or []
        self._apply(entry, items[0] if items else None)
        return str(answer["metadata"]["resourceVersion"])

    def _apply(self, entry: _Entry, obj: Obj | None) -> None:
        before, entry.obj = entry.obj, obj
        if _content(before) != _content(obj):
            for uid in list(entry.users):
                self._changed(uid)


def _content(obj: Obj | None) -> Obj | None:
    return None if obj is None else {k: obj.get(k) for k in ("data", "binaryData", "type")}
