"""GET /stats/summary: usage of the node, its pods and containers, as metrics-server and the HPA read it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from kubelet.node import machine
from kubelet.runtime.client import RuntimeServiceError
from kubelet.runtime.pod_state import CONTAINER_NAME_LABEL, POD_NAME_LABEL, POD_NAMESPACE_LABEL, POD_UID_LABEL
from kubelet.runtime.stats_reader import StatsReader

Obj = dict[str, Any]


def stamp(ns: int) -> str:
    """RFC 3339 of nanoseconds."""
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cpu_of(stats: Any) -> Obj:
    """Cpu section."""
    cpu = stats.cpu
    result: Obj = {"time": stamp(cpu.timestamp)}
    if cpu.HasField("usage_core_nano_seconds"):
        result["usageCoreNanoSeconds"] = cpu.usage_core_nano_seconds.value
    if cpu.HasField("usage_nano_cores"):
        result["usageNanoCores"] = cpu.usage_nano_cores.value
    return result


_MEMORY = (
    ("workingSetBytes", "working_set_bytes"),
    ("availableBytes", "available_bytes"),
    ("usageBytes", "usage_bytes"),
    ("rssBytes", "rss_bytes"),
    ("pageFaults", "page_faults"),
    ("majorPageFaults", "major_page_faults"),
)


def memory_of(stats: Any) -> Obj:
    """Memory section."""
    memory = stats.memory
    result: Obj = {"time": stamp(memory.timestamp)}
    for key, name in _MEMORY:
        if memory.HasField(name):
            result[key] = getattr(memory, name).value
    return result


def container_of(stats: Any) -> Obj:
    """One container."""
    result: Obj = {
        "name": stats.attributes.labels.get(CONTAINER_NAME_LABEL) or stats.attributes.metadata.name,
        "cpu": cpu_of(stats),
        "memory": memory_of(stats),
    }
    layer = stats.writable_layer
    if layer.HasField("used_bytes"):
        result["rootfs"] = {"time": stamp(layer.timestamp), "usedBytes": layer.used_bytes.value}
        if layer.HasField("inodes_used"):
            result["rootfs"]["inodesUsed"] = layer.inodes_used.value
    return result


def by_pod(stats: list[Any]) -> dict[str, list[Any]]:
    """Container stats by pod UID."""
    result: dict[str, list[Any]] = {}
    for item in stats:
        result.setdefault(item.attributes.labels.get(POD_UID_LABEL, ""), []).append(item)
    return result


def pod_of(uid: str, items: list[Any]) -> Obj:
    """One pod: the sum of its containers."""
    labels = items[0].attributes.labels
    containers = [container_of(i) for i in items]
    now = max((c["cpu"]["time"] for c in containers), default="")
    return {
        "podRef": {
            "name": labels.get(POD_NAME_LABEL, ""),
            "namespace": labels.get(POD_NAMESPACE_LABEL, ""),
            "uid": uid,
        },
        "containers": containers,
        "cpu": {
            "time": now,
            "usageNanoCores": sum(c["cpu"].get("usageNanoCores", 0) for c in containers),
            "usageCoreNanoSeconds": sum(c["cpu"].get("usageCoreNanoSeconds", 0) for c in containers),
        },
        "memory": {
            "time": now,
            "workingSetBytes": sum(c["memory"].get("workingSetBytes", 0) for c in containers),
            "usageBytes": sum(c["memory"].get("usageBytes", 0) for c in containers),
        },
    }


class NodeUsage:
    """CPU of the whole machine between two looks."""

    def __init__(self) -> None:
        self._last: tuple[float, int] | None = None

    def cpu(self) -> tuple[int, int]:
        """(nanocores since the last look, total core nanoseconds)."""
        fields = [int(v) for v in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        busy = (sum(fields) - fields[3] - fields[4]) * 10_000_000
        now = datetime.now(UTC).timestamp()
        last, self._last = self._last, (now, busy)
        rate = int((busy - last[1]) / (now - last[0])) if last and now > last[0] else 0
        return rate, busy


class StatsSummary:
    """Serves the summary."""

    def __init__(self, reader: StatsReader, node: str, root: Path) -> None:
        self._reader = reader
        self._node = node
        self._root = root
        self._usage = NodeUsage()
        self._began = datetime.now(UTC)

    async def containers(self) -> list[Any]:
        """Stats of all running containers."""
        try:
            return await self._reader.read()
        except RuntimeServiceError as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from error

    def node(self) -> Obj:
        """The node's section."""
        rate, total = self._usage.cpu()
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        memory, available = machine.memory_bytes(), machine.memory_available()
        disk = machine.disk(str(self._root))
        return {
            "nodeName": self._node,
            "startTime": self._began.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "cpu": {"time": now, "usageNanoCores": rate, "usageCoreNanoSeconds": total},
            "memory": {
                "time": now,
                "availableBytes": available,
                "usageBytes": memory - available,
                "workingSetBytes": memory - available,
            },
            "fs": {
                "time": now,
                "availableBytes": disk.free,
                "capacityBytes": disk.total,
                "usedBytes": disk.total - disk.free,
                "inodesFree": disk.inodes_free,
                "inodes": disk.inodes,
                "inodesUsed": disk.inodes - disk.inodes_free,
            },
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer."""
        del request
        import orjson

        stats, _ = await asyncio.gather(self.containers(), asyncio.sleep(0))
        pods = [pod_of(uid, items) for uid, items in by_pod(stats).items() if uid]
        return web.Response(body=orjson.dumps({"node": self.node(), "pods": pods}), content_type="application/json")
