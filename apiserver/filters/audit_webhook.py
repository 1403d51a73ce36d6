"""The audit log sent to a server: batches of events as an `EventList`, posted in the background.

What can't be delivered after some attempts, and what comes while too much waits, is lost and counted in the log.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

import aiohttp
import orjson

from apimachinery.client.kubeconfig import Connection
from component.logging import get_logger

_LOG = get_logger("audit")
_MOST_WAITING: Final = 10_000
_ATTEMPTS: Final = 5
_TIMEOUT: Final = 10.0


class AuditWebhook:
    """Sends events."""

    def __init__(self, connection: Connection, *, batch_size: int, batch_wait: float, backoff: float) -> None:
        self._connection = connection
        self._size = batch_size
        self._wait = batch_wait
        self._backoff = backoff
        self._waiting: deque[dict[str, Any]] = deque()
        self._some = asyncio.Event()
        self._full = asyncio.Event()

    def put(self, event: dict[str, Any]) -> None:
        """Take an event; never waits."""
        if len(self._waiting) >= _MOST_WAITING:
            _LOG.warning("audit events are lost", error="too many wait to be sent")
            return
        self._waiting.append(event)
        self._some.set()
        if len(self._waiting) >= self._size:
            self._full.set()

    async def run(self) -> None:
        """Send for ever."""
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        ssl = self._connection.ssl_context
        headers = {"Content-Type": "application/json"}
        if self._connection.token:
            headers["Authorization"] = f"Bearer {self._connection.token}"
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            while True:
                await self._some.wait()
                try:
                    async with asyncio.timeout(self._wait):
                        await self._full.wait()
                except TimeoutError:
                    _LOG.debug("audit batch is not full", events=len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
                self._mark()
                await self._send(session, batch, True if ssl is None else ssl)

    def _mark(self) -> None:
        if not self._waiting:
            self._some.clear()
        if len(self._waiting) < self._size:
            self._full.clear()

    async def _send(self, session: aiohttp.ClientSession, batch: list[dict[str, Any]], ssl: Any) -> None:
        body = orjson.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": batch})
        pause, why = self._backoff, ""
        for _ in range(_ATTEMPTS):
            try:
                async with session.post(self._connection.server, data=body, ssl=ssl) as answer:
                    if answer.status < 300:
                        return
                    why = f"status {answer.status}"
                    if answer.status < 500 and answer.status != 429:
                        break
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = str(error) or type(error).__name__
            await asyncio.sleep(pause)
            pause *= 2
        _LOG.warning("audit events are lost", events=len(batch), error=why)
