"""Informers: a store kept like the server's by list and watch, and handlers told of each change.

One informer per resource and selector, shared by all who ask. It lists again after 410 Gone, resumes after a broken
connection, and keeps trying for ever, from the start: the server need not be up yet. `managedFields` are dropped on
entry; nobody below reads them.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apimachinery import errors
from apimachinery.client.rest import Client
from apimachinery.client.store import IndexFunction, Store
from apimachinery.objects.metadata import Obj, key
from apimachinery.resources import Resource, lookup
from component.logging import get_logger
from component.tasks import Tasks

_LOG = get_logger("informer")
_FIRST_BACKOFF = 0.05
_LONGEST_BACKOFF = 2.0
_WATCH_SECONDS = (300.0, 600.0)


@dataclass(frozen=True, slots=True)
class Event:
    """One change.

    Attributes:
        type: ADDED, MODIFIED or DELETED.
        old: What was in the store; None for ADDED.
        new: What is there now; for DELETED the last state known.
    """

    type: str
    old: Obj | None
    new: Obj


Handler = Callable[[Event], None]


class Informer:
    """A store of one resource and those who want to hear of its changes."""

    def __init__(self, client: Client, resource: Resource, namespace: str | None, labels: str, fields: str) -> None:
        self.resource = resource
        self.store = Store()
        self.synced = False
        self._client = client
        self._namespace = namespace
        self._labels, self._fields = labels, fields
        self._handlers: list[Handler] = []
        self._first_sync = asyncio.Event()
        self._version = ""

    def add_handler(self, handler: Handler) -> None:
        """Be told of each change; of what is in the store already at once, as ADDED."""
        self._handlers.append(handler)
        for obj in self.store.list():
            _deliver(handler, Event("ADDED", None, obj))

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Index the store by what a function tells of an object."""
        self.store.add_index(name, function)

    async def wait_for_sync(self) -> None:
        """Wait until the store was listed once and the handlers were told."""
        await self._first_sync.wait()

    async def run(self) -> None:
        """List and watch until cancelled."""
        pause = _FIRST_BACKOFF
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                pause = _FIRST_BACKOFF
                continue
            except (errors.Gone, errors.BadRequest) as error:
                _LOG.debug("Listing again", resource=self.resource.group_resource, why=error)
                self._version = ""
            except errors.APIError as error:
                _LOG.debug("List or watch failed", resource=self.resource.group_resource, why=error)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            pause = min(pause * 1.5, _LONGEST_BACKOFF)

    async def _list(self) -> None:
        items: list[Obj] = []
        token, version = "", ""
        while True:
            page = await self._client.list(
                self.resource,
                self._namespace,
                continue_=token,
                label_selector=self._labels,
                field_selector=self._fields,
            )
            items += page.get("items") or ()
            version = page["metadata"]["resourceVersion"]
            token = page["metadata"].get("continue") or ""
            if not token:
                break
        seen = set()
        for obj in items:
            obj.setdefault("apiVersion", self.resource.api_version)
            obj.setdefault("kind", self.resource.kind)
            seen.add(key(obj))
            self._changed(obj)
        for identity in self.store.keys():  # noqa: SIM118 - a method, not a mapping
            if identity not in seen:
                self._removed(identity, None)
        self._version = version
        self.synced = True
        self._first_sync.set()

    async def _watch(self) -> None:
        seconds = random.uniform(*_WATCH_SECONDS)  # noqa: S311 - so that watches do not end all at once
        async for kind, obj in self._client.watch(
            self.resource,
            self._namespace,
            resource_version=self._version,
            timeout_seconds=seconds,
            label_selector=self._labels,
            field_selector=self._fields,
        ):
            self._version = obj["metadata"]["resourceVersion"]
            if kind == "DELETED":
                self._removed(key(obj), obj)
            elif kind != "BOOKMARK":
                self._changed(obj)

    def _changed(self, obj: Obj) -> None:
        obj["metadata"].pop("managedFields", None)
        old = self.store.put(obj)
        if old is not None and old["metadata"].get("resourceVersion") == obj["metadata"].get("resourceVersion"):
            return
        self._tell(Event("MODIFIED" if old is not None else "ADDED", old, obj))

    def _removed(self, identity: str, last: Obj | None) -> None:
        old = self.store.remove(identity)
        if old is not None:
            self._tell(Event("DELETED", old, last or old))

    def _tell(self, event: Event) -> None:
        for handler in self._handlers:
            _deliver(handler, event)


def _deliver(handler: Handler, event: Event) -> None:
    try:
        handler(event)
    except Exception as error:  # noqa: BLE001 - one handler's fault must not cost the others the event
        _LOG.error("Handler failed", object=key(event.new), error=error)


class InformerFactory:
    """Informers of one client, each resource and selector once."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._informers: dict[tuple[Any, ...], Informer] = {}
        self._tasks: Tasks | None = None

    def informer(
        self,
        resource: Resource | str,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
    ) -> Informer:
        """The informer of a resource; starts at once when the factory runs already."""
        chosen = lookup(resource) if isinstance(resource, str) else resource
        identity = (chosen, namespace, label_selector, field_selector)
        found = self._informers.get(identity)
        if found is None:
            found = self._informers[identity] = Informer(self.client, chosen, namespace, label_selector, field_selector)
            if self._tasks is not None:
                self._spawn(found)
        return found

    def _spawn(self, informer: Informer) -> None:
        if self._tasks is not None:
            self._tasks.spawn(informer.run, name=f"informer {informer.resource.group_resource}", restart=True)

    async def run(self) -> None:
        """Run all informers until cancelled."""
        async with Tasks() as tasks:
            self._tasks = tasks
            for informer in self._informers.values():
                self._spawn(informer)
            await tasks.wait()

    async def wait_for_sync(self) -> None:
        """Wait until all informers that exist now are synced."""
        for informer in list(self._informers.values()):
            await informer.wait_for_sync()
