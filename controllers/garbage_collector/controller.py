"""The garbage collector: objects whose owners have gone are deleted; owners wait for, or orphan, their dependents.

It watches every resource that can be deleted and watched, as discovery names them, custom ones included; discovery is
asked again when CustomResourceDefinitions or APIServices change.
"""

import asyncio
from dataclasses import replace
from functools import partial

import orjson

from apimachinery import errors
from apimachinery.client.informer import Event, Informer
from apimachinery.client.rest import Client
from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import Obj, finalizers, metadata
from apimachinery.resources import RESOURCES, Resource
from controllers.context import Context
from controllers.garbage_collector.deletion import Owner, Verb, decide, is_blocking, without_references
from controllers.garbage_collector.graph import FOREGROUND, ORPHAN, Graph, Node

_IGNORED = {("", "events"), ("events.k8s.io", "events")}
_NEEDED = {"delete", "list", "watch"}
_SETTLE_SECONDS = 0.2


def new(context: Context) -> Controller:
    """Wire the controller."""
    return GarbageCollector(context).controller


class GarbageCollector:
    """The reconciler; its keys are UIDs."""

    def __init__(self, context: Context) -> None:
        self._client: Client = context.client
        self._context = context
        self._graph = Graph()
        self._watched: dict[tuple[str, str], Informer] = {}
        self._kinds: dict[tuple[str, str], Resource] = {}
        self._rediscover = asyncio.Event()
        self.controller = Controller("garbage-collector-controller", self._reconcile, workers=8)
        for resource in RESOURCES:
            self._kinds[(resource.group, resource.kind)] = resource
            if set(resource.verbs) >= _NEEDED:
                self._watch(resource)
        for name in ("customresourcedefinitions.apiextensions.k8s.io", "apiservices.apiregistration.k8s.io"):
            context.informers.informer(name).add_handler(lambda _event: self._rediscover.set())
        self.controller.beside(self._discover)

    def _watch(self, resource: Resource) -> None:
        identity = (resource.group, resource.plural)
        if identity in _IGNORED or identity in self._watched:
            return
        informer = self._context.informers.informer(resource)
        self._watched[identity] = informer
        informer.add_handler(partial(self._changed, resource))
        self.controller.follow(informer)

    def _changed(self, resource: Resource, event: Event) -> None:
        if event.type == "DELETED":
            affected = self._graph.forget(metadata(event.new).get("uid") or "")
        else:
            affected = self._graph.observe(resource, event.new)
        for uid in affected:
            self.controller.queue.add(uid)

    async def _discover(self) -> None:
        while True:
            await self._rediscover.wait()
            await asyncio.sleep(_SETTLE_SECONDS)
            self._rediscover.clear()
            try:
                for resource in await custom_resources(self._client):
                    self._kinds[(resource.group, resource.kind)] = resource
                    self._watch(resource)
            except errors.APIError:
                self._rediscover.set()
                await asyncio.sleep(1.0)

    async def _reconcile(self, uid: str) -> None:
        node = self._graph.nodes.get(uid)
        if node is None or node.resource is None:
            return
        live = await self._live(node)
        if live is None:
            for affected in self._graph.forget(uid):
                self.controller.queue.add(affected)
            return
        if node.deleting:
            if ORPHAN in finalizers(live):
                await self._orphan(node, live)
            elif FOREGROUND in finalizers(live):
                await self._finish_foreground(node, live)
            return
        # Decided on what is, not on what was seen. But the graph learns only from the watches: what it knew already
        # would be no change when they tell it, and owners would not hear that they need not wait any more.
        references = metadata(live).get("ownerReferences") or []
        owners = {reference["uid"]: await self._owner(node, reference) for reference in references}
        action = decide(replace(node, references=references), owners, self._dependents(node))
        if action.verb is Verb.DROP_REFERENCES:
            await self._set_references(node, live, without_references(references, action.drop))
        elif action.verb is Verb.DELETE:
            if action.unblock:
                loosened = [{**reference, "blockOwnerDeletion": False} for reference in references]
                await self._set_references(node, live, loosened)
            await self._delete(node, action.policy)

    def _dependents(self, node: Node) -> list[Node]:
        return [self._graph.nodes[uid] for uid in node.dependents if uid in self._graph.nodes]

    async def _live(self, node: Node) -> Obj | None:
        assert node.resource is not None
        try:
            live = await self._client.get(node.resource, node.name, node.namespace or None)
        except errors.NotFound:
            return None
        return live if metadata(live).get("uid") == node.uid else None

    async def _owner(self, node: Node, reference: Obj) -> Owner:
        known = self._graph.nodes.get(reference["uid"])
        if known is None or known.is_virtual:
            group = reference.get("apiVersion", "").rpartition("/")[0]
            resource = self._kinds.get((group, reference.get("kind", "")))
            if resource is None:
                # A kind that nobody serves: its objects can't be told absent, so nothing is deleted for it.
                return Owner.SOLID
            space = node.namespace if resource.namespaced else None
            if resource.namespaced and not node.namespace:
                return Owner.ABSENT
            try:
                live = await self._client.get(resource, reference.get("name", ""), space)
            except errors.NotFound:
                return Owner.ABSENT
            if metadata(live).get("uid") != reference["uid"]:
                return Owner.ABSENT
            return Owner.SOLID
        if known.namespace and known.namespace != node.namespace:
            return Owner.ABSENT
        if known.waits_for_dependents and reference.get("blockOwnerDeletion"):
            return Owner.WAITING
        return Owner.SOLID

    async def _set_references(self, node: Node, live: Obj, references: list[Obj]) -> None:
        assert node.resource is not None
        meta = metadata(live)
        patch = {"metadata": {"ownerReferences": references or None, "resourceVersion": meta["resourceVersion"]}}
        await self._client.patch(node.resource, node.name, patch, node.namespace or None)

    async def _delete(self, node: Node, policy: str) -> None:
        assert node.resource is not None
        options = {"preconditions": {"uid": node.uid}, "propagationPolicy": policy}
        try:
            await self._client.delete(node.resource, node.name, node.namespace or None, options=options)
        except (errors.NotFound, errors.Conflict):
            return

    async def _orphan(self, node: Node, live: Obj) -> None:
        for dependent in self._dependents(node):
            if dependent.resource is None:
                continue
            present = await self._live(dependent)
            if present is not None:
                kept = without_references(metadata(present).get("ownerReferences") or [], (node.uid,))
                await self._set_references(dependent, present, kept)
        await self._drop_finalizer(node, live, ORPHAN)

    async def _finish_foreground(self, node: Node, live: Obj) -> None:
        blocking = [dependent for dependent in self._dependents(node) if is_blocking(dependent, node.uid)]
        if not blocking:
            await self._drop_finalizer(node, live, FOREGROUND)
            return
        for dependent in blocking:
            if not dependent.deleting:
                self.controller.queue.add(dependent.uid)

    async def _drop_finalizer(self, node: Node, live: Obj, finalizer: str) -> None:
        assert node.resource is not None
        rest = [one for one in finalizers(live) if one != finalizer]
        patch = {"metadata": {"finalizers": rest, "resourceVersion": metadata(live)["resourceVersion"]}}
        await self._client.patch(node.resource, node.name, patch, node.namespace or None)


async def custom_resources(client: Client) -> list[Resource]:
    """Resources of groups that are not built in, as discovery names them."""
    built_in = {(resource.group, resource.plural) for resource in RESOURCES}
    found = []
    status, body = await client.raw("GET", "/apis")
    for group in orjson.loads(body).get("groups") or () if status == 200 else ():
        chosen = group["preferredVersion"]
        status, body = await client.raw("GET", f"/apis/{chosen['groupVersion']}")
        for row in orjson.loads(body).get("resources") or () if status == 200 else ():
            identity = (group["name"], row["name"])
            if "/" not in row["name"] and identity not in built_in and set(row["verbs"]) >= _NEEDED:
                found.append(Resource(group["name"], chosen["version"], row["kind"], row["name"], row["namespaced"]))
    return found
