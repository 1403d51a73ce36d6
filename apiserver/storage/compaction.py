"""Keeps etcd's history short: every interval, drop what is older than the interval before."""

from __future__ import annotations

from collections.abc import Callable

from apiserver.storage.errors import StorageError
from apiserver.storage.interface import Storage
from component.clock import Clock
from component.logging import get_logger

_LOG = get_logger(__name__)


async def compact_for_ever(storage: Storage, clock: Clock, interval: float, compacted: Callable[[int], None]) -> None:
    """Compact at each interval to the revision of one interval ago, and tell `compacted` the revision."""
    previous = 0
    while True:
        await clock.sleep(interval)
        try:
            current = await storage.current_revision()
            if previous:
                await storage.compact(previous)
                compacted(previous)
            previous = current
        except StorageError as error:
            _LOG.warning("compaction failed, trying again at the next interval", error=str(error))
