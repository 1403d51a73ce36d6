"""Publishes pod statuses: patches `/status`, newest wins, and deletes a terminated pod with grace 0.

Per pod at most one request is under way; while it runs, newer statuses replace each other. A status that only shows
progress is held back for a
moment, so that a fast start costs one patch instead of three. Failures are retried for ever, until the pod is gone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from apimachinery.client.rest import Client
from apimachinery.errors import APIError, NotFound
from apimachinery.objects.conditions import is_true
from component.logging import get_logger
from component.tasks import Tasks
from kubelet.guarded import guarded
from kubelet.status.patch import status_patch

Obj = dict[str, Any]

PROGRESS_DELAY = 0.5

log = get_logger("kubelet.status")


@dataclass(slots=True)
class _Entry:
    pod: Obj
    known: Obj
    wanted: Obj | None = None
    delete: bool = False
    flushing: bool = False
    timer: asyncio.TimerHandle | None = None
    gone: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class StatusWriter:
    """One instance per kubelet."""

    def __init__(self, client: Client, tasks: Tasks) -> None:
        self._client = client
        self._tasks = tasks
        self._entries: dict[str, _Entry] = {}

    def observe(self, pod: Obj) -> bool:
        """The API object as last seen; what is there needs no patch.

        Returns:
            Whether somebody else has changed the pod's readiness, as the node controller does for nodes in silence.
        """
        entry = self._entries.get(pod["metadata"]["uid"])
        if entry is None:
            self._entries[pod["metadata"]["uid"]] = _Entry(pod, pod.get("status") or {})
            return False
        entry.pod = pod
        if entry.flushing:
            return False
        before, entry.known = entry.known, pod.get("status") or {}
        return before.get("phase") == entry.known.get("phase") and is_true(before, "Ready") != is_true(
            entry.known, "Ready"
        )

    def current(self, uid: str) -> Obj | None:
        """The newest status decided, sent or not."""
        entry = self._entries.get(uid)
        return (entry.wanted or entry.known) if entry else None

    def publish(self, pod: Obj, status: Obj, *, progress: bool = False) -> None:
        """Publish a status; `progress`: may wait for a better one."""
        entry = self._entries.setdefault(pod["metadata"]["uid"], _Entry(pod, pod.get("status") or {}))
        if entry.gone:
            return
        entry.pod = pod
        entry.wanted = status
        if progress and not entry.flushing:
            if entry.timer is None:
                loop = asyncio.get_running_loop()
                entry.timer = loop.call_later(PROGRESS_DELAY, self._start, entry)
            return
        self._start(entry)

    async def finish(self, pod: Obj, status: Obj) -> None:
        """Publish the last status and, where deletion was asked for, let the object go. Returns when both are done."""
        self.publish(pod, status)
        entry = self._entries[pod["metadata"]["uid"]]
        entry.delete = bool(pod["metadata"].get("deletionTimestamp"))
        self._start(entry)
        while not entry.gone and (entry.flushing or entry.wanted is not None):
            entry.idle.clear()
            await entry.idle.wait()

    def forget(self, uid: str) -> None:
        """The object is gone."""
        entry = self._entries.pop(uid, None)
        if entry is not None:
            entry.gone = True
            entry.idle.set()
            if entry.timer is not None:
                entry.timer.cancel()

    def _start(self, entry: _Entry) -> None:
        if entry.timer is not None:
            entry.timer.cancel()
            entry.timer = None
        if entry.flushing or entry.gone:
            return
        entry.flushing = True
        name = f"status {entry.pod['metadata']['namespace']}/{entry.pod['metadata']['name']}"
        self._tasks.spawn(guarded(self._flush(entry), name), name=name)

    async def _flush(self, entry: _Entry) -> None:
        delay = 0.1
        try:
            while not entry.gone and (entry.wanted is not None or entry.delete):
                try:
                    await self._send(entry)
                    delay = 0.1
                except NotFound:
                    entry.gone = True
                except (APIError, OSError, TimeoutError) as error:
                    log.debug("status not written", pod=entry.pod["metadata"]["name"], error=str(error))
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, 5.0)
        finally:
            entry.flushing = False
            entry.idle.set()

    async def _send(self, entry: _Entry) -> None:
        meta, status = entry.pod["metadata"], entry.wanted
        patch = status_patch(entry.known, status) if status is not None else None
        if patch is not None:
            body = {"metadata": {"uid": meta["uid"]}, "status": patch}
            answer = await self._client.patch(
                "pods", meta["name"], body, meta["namespace"], patch_type="strategic", subresource="status"
            )
            entry.known = answer.get("status") or {}
        if entry.wanted is status:
            entry.wanted = None
        if entry.delete and entry.wanted is None:
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
            await self._client.delete("pods", meta["name"], meta["namespace"], options=options)
            entry.delete = False
