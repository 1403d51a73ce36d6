"""Usage of all containers from the runtime, with CPU rates worked out from two looks where the runtime gives none."""

from __future__ import annotations

from typing import Any

from kubelet.runtime.client import CRIClient, RuntimeServiceError
from kubelet.runtime.pod_state import POD_UID_LABEL

SHORTEST = 1_000_000_000
"""Nanoseconds; over a shorter time a rate says nothing."""


class StatsReader:
    """One instance per kubelet."""

    def __init__(self, client: CRIClient) -> None:
        self._client = client
        self._seen: dict[str, tuple[int, int, int]] = {}

    async def read(self) -> list[Any]:
        """Stats of all running containers.

        Raises:
            RuntimeServiceError: the runtime can't be asked.
        """
        stats = await self._client.list_container_stats()
        alive = {item.attributes.id for item in stats}
        self._seen = {key: value for key, value in self._seen.items() if key in alive}
        for item in stats:
            if not item.cpu.usage_nano_cores.value:
                item.cpu.usage_nano_cores.value = self._rate(item)
        return stats

    def _rate(self, item: Any) -> int:
        now, used = item.cpu.timestamp, item.cpu.usage_core_nano_seconds.value
        before = self._seen.get(item.attributes.id)
        if before is None:
            self._seen[item.attributes.id] = (now, used, 0)
            return 0
        passed = now - before[0]
        if passed < SHORTEST:
            return before[2]
        rate = max(0, used - before[1]) * 1_000_000_000 // passed
        self._seen[item.attributes.id] = (now, used, rate)
        return int(rate)

    async def memory_by_pod(self) -> dict[str, int]:
        """Working set per pod UID; empty while the runtime is away."""
        try:
            stats = await self._client.list_container_stats()
        except RuntimeServiceError:
            return {}
        result: dict[str, int] = {}
        for item in stats:
            uid = item.attributes.labels.get(POD_UID_LABEL, "")
            result[uid] = result.get(uid, 0) + item.memory.working_set_bytes.value
        return result
