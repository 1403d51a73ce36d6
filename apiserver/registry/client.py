"""The server as its own client: `apimachinery.client.rest.Client`'s methods without HTTP.

Used for bootstrap objects and by parts of the server that write (as system:apiserver). Authorization is not asked;
defaults, validation and storage are the same path as everybody's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from apimachinery.errors import NotFound
from apimachinery.objects.label_selector_grammar import parse_label_selector
from apimachinery.objects.metadata import Obj
from apimachinery.objects.selectors import parse_field_selector
from apimachinery.patches import json_patch, merge_patch, strategic_merge
from apimachinery.resources import Resource
from apiserver.registry.core.pod_binding import NO_ADMISSION
from apiserver.registry.registry import Registry
from apiserver.registry.store import Store
from apiserver.registry.strategy import Call
from apiserver.storage.cache.subscriber import Selection


class LoopbackUser:
    """system:apiserver, as `apiserver.authentication.user.UserInfo` would show it."""

    name = "system:apiserver"
    uid = ""
    groups = ("system:masters",)
    extra: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 - never changed


class LoopbackClient:
    """Reads and writes objects in process."""

    def __init__(self, registry: Registry, now: Callable[[], str]) -> None:
        self._registry = registry
        self._now = now

    def _store(self, resource: Resource | str) -> Store:
        if isinstance(resource, str):
            return self._registry.store(resource)
        found = self._registry.find(resource.group, resource.version, resource.plural)
        if found is None:
            raise NotFound.path()
        return found

    def _call(self, store: Store, namespace: str | None, name: str, subresource: str, manager: str) -> Call:
        return Call(
            resource=store.resource,
            namespace=namespace or "" if store.resource.namespaced else "",
            name=name,
            user=LoopbackUser(),
            subresource=subresource,
            manager=manager or "kube-apiserver",
            now=self._now(),
        )

    async def get(
        self, resource: Resource | str, name: str, namespace: str | None = None, *, subresource: str = ""
    ) -> Obj:
        """Return an object; `NotFound`."""
        del subresource
        store = self._store(resource)
        return await store.read(await store.find(namespace or "", name))

    async def list(
        self,
        resource: Resource | str,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> Obj:
        """Return a list object."""
        store = self._store(resource)
        await store.cached.ensure_fresh()
        chosen = Selection(
            f"{namespace}/" if namespace and store.resource.namespaced else "",
            parse_label_selector(label_selector) if label_selector else None,
            parse_field_selector(field_selector) if field_selector else None,
            store.strategy.selectable_fields,
        )
        return {
            "kind": store.resource.list_kind,
            "apiVersion": store.resource.api_version,
            "metadata": {"resourceVersion": str(store.cached.revision)},
            "items": [await store.read(entry) for entry in chosen.entries(store.cache)],
        }

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
        """Create an object; `AlreadyExists`."""
        del name
        store = self._store(resource)
        obj = orjson.loads(orjson.dumps(obj))
        metadata = obj.setdefault("metadata", {})
        call = self._call(
            store, namespace or metadata.get("namespace"), metadata.get("name", ""), subresource, field_manager
        )
        call.dry_run = dry_run
        outcome = await store.create(store.strategy.decode(obj), call, NO_ADMISSION)
        return _parsed(outcome.body)

    async def update(
        self, resource: Resource | str, obj: Obj, *, subresource: str = "", field_manager: str = ""
    ) -> Obj:
        """Replace an object; `Conflict` when its resourceVersion is stale."""
        store = self._store(resource)
        metadata = obj["metadata"]
        call = self._call(store, metadata.get("namespace"), metadata["name"], subresource, field_manager)

        async def change(current: Obj | None) -> Obj:
            del current
            return store.strategy.decode(orjson.loads(orjson.dumps(obj)))

        return _parsed((await store.update(call, change, NO_ADMISSION)).body)

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
    ) -> Obj:
        """Patch an object by "merge", "strategic" or "json"."""
        store = self._store(resource)
        call = self._call(store, namespace, name, subresource, field_manager)
        value = orjson.loads(patch) if isinstance(patch, bytes) else patch

        async def change(current: Obj | None) -> Obj:
            if patch_type == "json":
                changed = json_patch.apply(current or {}, value)
            elif patch_type == "strategic":
                changed = strategic_merge.apply(current or {}, value, store.strategy.schema)
            else:
                changed = merge_patch.apply(current or {}, value)
            return store.strategy.decode(changed)

        return _parsed((await store.update(call, change, NO_ADMISSION)).body)

    async def delete(
        self, resource: Resource | str, name: str, namespace: str | None = None, *, options: Obj | None = None
    ) -> Obj:
        """Delete an object."""
        store = self._store(resource)
        call = self._call(store, namespace, name, "", "")
        call.options = dict(options or {})
        return _parsed((await store.delete(call, NO_ADMISSION)).body)


def _parsed(body: bytes) -> Obj:
    obj: Obj = orjson.loads(body)
    return obj
