"""Keeps the bootstrap objects of priority and fairness stored, and tells flow schemas whose level is missing.

Level-triggered: looks at everything again after a change and once a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

from apimachinery.errors import AlreadyExists, APIError, Conflict, NotFound
from apimachinery.objects.conditions import set_condition
from apimachinery.objects.metadata import Obj
from apiserver.flowcontrol.bootstrap import (
    AUTO_UPDATE,
    LEVELS,
    MANDATORY,
    SCHEMAS,
    bootstrap_levels,
    bootstrap_schemas,
    mended,
)
from apiserver.flowcontrol.configuration import Configuration
from apiserver.storage.errors import StorageError
from component.logging import get_logger

_LOG = get_logger("flowcontrol")
_PRODUCER: Final = "api-priority-and-fairness-config-producer-v1"
_CONSUMER: Final = "api-priority-and-fairness-config-consumer-v1"
# What starts a cluster goes first: what is built in holds without being stored.
_AFTER_START: Final = 3.0
_INTERVAL: Final = 60.0
_RETRY: Final = 1.0
_SETTLE: Final = 0.2


def with_dangling(schema: Obj, levels: set[str], now: str) -> Obj | None:
    """Return a flow schema with its Dangling condition set, None where it says so already. Pure."""
    name = ((schema.get("spec") or {}).get("priorityLevelConfiguration") or {}).get("name", "")
    told = f'This FlowSchema references the PriorityLevelConfiguration object named "{name}"'
    new = {"type": "Dangling", "status": "False", "reason": "Found", "message": f"{told} and it exists"}
    if name not in levels:
        new = {
            "type": "Dangling",
            "status": "True",
            "reason": "NotFound",
            "message": f"{told} but there is no such object",
        }
    status = dict(schema.get("status") or {})
    before: list[Any] = list(status.get("conditions") or ())
    known: Obj = next((one for one in before if one.get("type") == "Dangling"), {})
    if all(known.get(key) == value for key, value in new.items()):
        return None
    status["conditions"] = set_condition(before, new, now)
    return {**schema, "status": status}


class Keeper:
    """The controller.

    Args:
        listers: reads of the objects.
        client: writes them.
        configuration: is told when they are stored for the first time.
        now: the time, as objects carry it.
    """

    def __init__(
        self, listers: Callable[[str], Any], client: Any, configuration: Configuration, now: Callable[[], str]
    ) -> None:
        self._listers = {resource: listers(resource) for resource in (SCHEMAS, LEVELS)}
        self._client = client
        self._configuration = configuration
        self._now = now
        self._wake = asyncio.Event()
        for lister in self._listers.values():
            lister.on_touch(lambda _key: self._wake.set())

    async def run(self) -> None:
        """Work until cancelled."""
        await asyncio.sleep(_AFTER_START)
        while True:
            self._wake.clear()
            wait = _INTERVAL
            try:
                await self.reconcile()
            except Conflict:
                wait = _RETRY
            except (APIError, StorageError) as error:
                _LOG.warning("flow schemas and priority levels are not all there", error=str(error))
                wait = _RETRY
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)
                await asyncio.sleep(_SETTLE)

    async def reconcile(self) -> None:
        """Make what is missing, mend what differs, tell what dangles."""
        await self._ensure(LEVELS, bootstrap_levels())
        await self._ensure(SCHEMAS, bootstrap_schemas())
        if not self._configuration.established:
            self._configuration.establish()
        levels = {level["metadata"]["name"] for level in self._listers[LEVELS].list()}
        for schema in self._listers[SCHEMAS].list():
            new = with_dangling(schema, levels, self._now())
            if new is not None:
                with contextlib.suppress(NotFound):
                    await self._client.update(SCHEMAS, new, subresource="status", field_manager=_CONSUMER)

    async def _ensure(self, resource: str, wanted: dict[str, Obj]) -> None:
        live = {obj["metadata"]["name"]: obj for obj in self._listers[resource].list()}
        for name, obj in wanted.items():
            found = live.get(name)
            if found is None:
                with contextlib.suppress(AlreadyExists):
                    await self._client.create(resource, obj, field_manager=_PRODUCER)
                continue
            new = mended(found, obj)
            if new is not None:
                await self._client.update(resource, new, field_manager=_PRODUCER)
        for name, found in live.items():
            # An earlier version of this server has left it.
            annotations = found["metadata"].get("annotations") or {}
            if annotations.get(AUTO_UPDATE) == "true" and name not in wanted and name not in MANDATORY:
                with contextlib.suppress(NotFound):
                    await self._client.delete(resource, name)
