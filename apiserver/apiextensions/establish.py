"""Brings CRDs to life: names accepted, established, served, and in the end cleaned up.

Level-triggered: a change of a CRD puts its name in a queue; one task compares what should be with what is. A new CRD
is served a few milliseconds after its create. Talks to the registry (add and remove of served versions) and, through
the loopback client, to the CRD's status and the instances of a CRD that goes away.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from apimachinery.errors import APIError, Conflict, NotFound
from apimachinery.objects.field_path import FieldError
from apimachinery.objects.metadata import Obj
from apimachinery.objects.times import now_rfc3339
from apimachinery.resources import Resource
from apiserver.admission.cel import CompileError
from apiserver.admission.webhook_client import WebhookClient
from apiserver.apiextensions import crd as definitions
from apiserver.apiextensions import definition_validation, schema_decode
from apiserver.apiextensions.conversion import converter
from apiserver.apiextensions.handler import VersionHandler
from apiserver.registry.registry import Registry
from apiserver.registry.strategy import Call
from component.logging import get_logger

_LOG = get_logger("apiextensions")
_RETRY = 0.1
_LONGEST_RETRY = 2.0


class Establisher:
    """Owns what is served for CRDs."""

    def __init__(self, registry: Registry, listers: Callable[[str], Any], client: Any) -> None:
        self._registry = registry
        self._crds = listers(definitions.RESOURCE)
        self._client = client
        self._webhooks = WebhookClient(listers)
        self._served: dict[str, tuple[str, list[Resource]]] = {}
        self._waiting: dict[str, None] = {}
        self._wake = asyncio.Event()
        self.synced = False
        """Whether each definition there was at the start has been looked at."""
        self._hook_definitions()
        self._crds.on_touch(self._touched)

    def _hook_definitions(self) -> None:
        """Give the CRD resource itself the hooks that belong here."""
        store = self._registry.store(definitions.RESOURCE)
        before = store.strategy
        validate_create, validate_update = before.validate_create, before.validate_update

        def prepare(obj: Obj, call: Call) -> None:
            before.prepare_create(obj, call)
            obj["status"] = {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": []}
            definitions.store_version(obj)

        def prepare_update(new: Obj, old: Obj, call: Call) -> None:
            before.prepare_update(new, old, call)
            definitions.store_version(new)

        def check_status(new: Obj, old: Obj, call: Call) -> list[FieldError]:
            del old, call
            return definition_validation.validate_status(new)

        def check_create(obj: Obj, call: Call) -> list[FieldError]:
            return validate_create(obj, call) + definition_validation.validate_create(obj)

        def check_update(new: Obj, old: Obj, call: Call) -> list[FieldError]:
            found = validate_update(new, old, call)
            return found + (
                [] if new.get("spec") == old.get("spec") else definition_validation.validate_update(new, old)
            )

        def hold(obj: Obj, call: Call) -> None:
            if before.before_delete is not None:
                before.before_delete(obj, call)
            finalizers = obj["metadata"].get("finalizers") or []
            if not obj["metadata"].get("deletionTimestamp") and definitions.FINALIZER not in finalizers:
                obj["metadata"]["finalizers"] = [*finalizers, definitions.FINALIZER]

        # Stores are values of the registry; the strategy is swapped before the first request.
        store.strategy = replace(
            before,
            decode=lambda obj: schema_decode.decode(before.decode(obj)),
            prepare_create=prepare,
            prepare_update=prepare_update,
            subresources={
                **before.subresources,
                "status": replace(before.subresources["status"], validate=check_status),
            },
            validate_create=check_create,
            validate_update=check_update,
            before_delete=hold,
            unconditional_update=False,
        )

    def _touched(self, key: str) -> None:
        self._waiting[key] = None
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        for crd in self._crds.list():
            self._touched(crd["metadata"]["name"])
        pause = 0.0
        self.synced = not self._waiting
        try:
            while True:
                # What failed is tried again after a while; what is new comes at once.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause or None)
                self._wake.clear()
                names, self._waiting = list(self._waiting), {}
                failed = [name for name in names if not await self._attempt(name)]
                self._waiting.update(dict.fromkeys(failed))
                self.synced = True
                pause = min(max(pause * 2, _RETRY), _LONGEST_RETRY) if failed else 0.0
        finally:
            await self._webhooks.close()

    async def _attempt(self, name: str) -> bool:
        try:
            return await self._reconcile(name)
        except (Conflict, NotFound):
            # Somebody else wrote; the next try sees it.
            return False
        except (APIError, CompileError) as error:
            _LOG.error("CustomResourceDefinition failed", crd=name, error=error)
            return False

    async def _reconcile(self, name: str) -> bool:
        """Bring one CRD to where it should be; False when it must be looked at again soon."""
        shared: Obj | None = self._crds.get(None, name)
        if shared is None:
            self._withdraw(name)
            self._look_again(name)
            return True
        crd = copy.deepcopy(shared)
        others = self._crds.list()
        if definitions.is_established(crd):
            self._serve(crd)
        if definitions.is_terminating(crd):
            return await self._clean_up(crd)
        now = now_rfc3339()
        status = definitions.new_status(crd, others, now)
        if status != (crd.get("status") or {}):
            updated = await self._client.update(definitions.RESOURCE, {**crd, "status": status}, subresource="status")
            if definitions.is_established(updated):
                self._serve(updated)
        return True

    def _look_again(self, gone: str) -> None:
        """Look at the definitions of a group that waited for names of one that is gone."""
        group = gone.partition(".")[2]
        for crd in self._crds.list():
            if crd["spec"].get("group") == group and not definitions.names_accepted(crd):
                self._touched(crd["metadata"]["name"])

    # -- serving ---------------------------------------------------------------------------------------------------

    def _serve(self, crd: Obj) -> None:
        name = crd["metadata"]["name"]
        spec = crd["spec"]
        terminating = definitions.is_terminating(crd)
        mark = json.dumps([crd["metadata"].get("uid"), terminating, spec], sort_keys=True)
        before = self._served.get(name)
        if before is not None and before[0] == mark:
            return
        converts = converter(crd, self._webhooks)
        served: list[Resource] = []
        for version in definitions.served_versions(crd):
            handler = VersionHandler(crd, version, converts)
            self._registry.add(handler.resource, handler.strategy(), custom=True)
            served.append(handler.resource)
        for resource in before[1] if before is not None else ():
            if not any(resource.version == other.version for other in served):
                self._registry.remove(resource)
        self._served[name] = (mark, served)

    def _withdraw(self, name: str) -> None:
        _, resources = self._served.pop(name, ("", []))
        for resource in resources:
            self._registry.remove(resource)

    # -- cleaning up -----------------------------------------------------------------------------------------------

    async def _clean_up(self, crd: Obj) -> bool:
        """Delete all instances, then let the CRD go."""
        if definitions.FINALIZER not in (crd["metadata"].get("finalizers") or ()):
            return True
        name = crd["metadata"]["name"]
        _, resources = self._served.get(name, ("", []))
        if resources:
            # In the storage version, where it is served, nothing has to be converted.
            stored = definitions.storage_version(crd)
            chosen = next((one for one in resources if one.version == stored), resources[0])
            remaining = await self._delete_instances(chosen)
            if remaining:
                status = definitions.terminating_status(crd, now_rfc3339(), done=False)
                if status != crd.get("status"):
                    await self._client.update(definitions.RESOURCE, {**crd, "status": status}, subresource="status")
                return False
        crd = await self._client.get(definitions.RESOURCE, name)
        status = definitions.terminating_status(crd, now_rfc3339(), done=True)
        crd = await self._client.update(definitions.RESOURCE, {**crd, "status": status}, subresource="status")
        finalizers = [one for one in crd["metadata"].get("finalizers") or () if one != definitions.FINALIZER]
        metadata = {**crd["metadata"], "finalizers": finalizers}
        try:
            await self._client.update(definitions.RESOURCE, {**crd, "metadata": metadata})
        except NotFound:
            return True
        return True

    async def _delete_instances(self, resource: Resource) -> int:
        """Ask for the deletion of every instance; returns how many are still there."""
        found = (await self._client.list(resource)).get("items") or []
        for obj in found:
            meta = obj["metadata"]
            if meta.get("deletionTimestamp"):
                continue
            try:
                await self._client.delete(resource, meta["name"], meta.get("namespace"))
            except NotFound:
                continue
        left = (await self._client.list(resource)).get("items") or []
        return len(left)
