"""Learns of changes in the runtime: CRI's event stream, with periodic relists as a safety net.

Promises that every container exit reaches `changed(uid)`: at once where the runtime streams events, within a second
where it does not
(containerd before 1.7), and within a minute should an event get lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from component.logging import get_logger
from kubelet.runtime import pod_state as values
from kubelet.runtime.client import CRIClient, RuntimeServiceError
from kubelet.runtime.pod_cache import PodCache
from protocols.cri import api_pb2 as pb

RELIST_WITH_EVENTS = 60.0
RELIST_WITHOUT_EVENTS = 1.0
_LOUD = {pb.CONTAINER_STOPPED_EVENT, pb.CONTAINER_DELETED_EVENT}

log = get_logger("kubelet.runtime")


class RuntimeEvents:
    """Feeds the cache and wakes pods."""

    def __init__(self, client: CRIClient, cache: PodCache, changed: Callable[[str], None]) -> None:
        self._client = client
        self._cache = cache
        self._changed = changed
        self._seen: dict[str, tuple[str, int]] = {}
        self.streaming = False
        self._relist_now = asyncio.Event()
        self.last_relist_ok = False

    async def stream(self) -> None:
        """Follow the event stream for ever; reconnects."""
        delay = 0.05
        while True:
            try:
                events = self._client.events()
                self.streaming = True
                self._relist_now.set()
                async for event in events:
                    delay = 0.05
                    self._handle(event)
            except RuntimeServiceError as error:
                self.streaming = False
                self._relist_now.set()
                if error.code == "UNIMPLEMENTED":
                    log.info("the runtime streams no events; relisting every second instead")
                    return
            self.streaming = False
            await asyncio.sleep(delay)
            delay = min(delay * 2, 2.0)

    def _handle(self, event: object) -> None:
        status = event.pod_sandbox_status  # type: ignore[attr-defined]
        uid = status.metadata.uid or status.labels.get(values.POD_UID_LABEL, "")
        if not uid or event.container_event_type not in _LOUD:  # type: ignore[attr-defined]
            # Starts are our own doing: the worker that asked has read the result itself.
            return
        self._cache.invalidate(uid)
        self._changed(uid)

    async def relist(self) -> None:
        """Compare the runtime's lists with the last ones, for ever."""
        while True:
            try:
                await self.relist_once()
                self.last_relist_ok = True
            except RuntimeServiceError as error:
                if self.last_relist_ok:
                    log.info("cannot list pods", error=str(error))
                self.last_relist_ok = False
            pause = RELIST_WITH_EVENTS if self.streaming and self.last_relist_ok else RELIST_WITHOUT_EVENTS
            self._relist_now.clear()
            try:
                await asyncio.wait_for(self._relist_now.wait(), pause)
            except TimeoutError:
                continue

    async def relist_once(self) -> None:
        """One comparison; marks what changed."""
        sandboxes, containers = await asyncio.gather(self._client.list_pod_sandboxes(), self._client.list_containers())
        owner = {s.id: s.labels.get(values.POD_UID_LABEL) or s.metadata.uid for s in sandboxes}
        fresh: dict[str, tuple[str, int]] = {s.id: (owner[s.id], s.state) for s in sandboxes}
        for container in containers:
            uid = container.labels.get(values.POD_UID_LABEL) or owner.get(container.pod_sandbox_id, "")
            fresh[container.id] = (uid, container.state)
        changed = {uid for key, (uid, state) in fresh.items() if self._seen.get(key) != (uid, state)}
        changed |= {uid for key, (uid, _) in self._seen.items() if key not in fresh}
        present = {uid for uid, _ in fresh.values()}
        self._seen = fresh
        self._cache.complete = True
        for uid in changed - {""}:
            if uid in present or self._cache.peek(uid) is not None:
                self._cache.invalidate(uid)
            self._changed(uid)
