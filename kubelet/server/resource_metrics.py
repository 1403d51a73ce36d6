"""/metrics, /metrics/resource, /metrics/cadvisor and /metrics/probes in the Prometheus text format."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

from kubelet.runtime.pod_state import CONTAINER_NAME_LABEL, POD_NAME_LABEL, POD_NAMESPACE_LABEL
from kubelet.server.stats_summary import StatsSummary

Obj = dict[str, Any]
Row = tuple[dict[str, str], float, int]
"""Labels, value, time in milliseconds (0: none)."""

RESOURCE_METRICS = (
    (
        "container_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the container in core-seconds",
    ),
    ("container_memory_working_set_bytes", "gauge", "Current working set of the container in bytes"),
    ("container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds"),
    ("node_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the node in core-seconds"),
    ("node_memory_working_set_bytes", "gauge", "Current working set of the node in bytes"),
    ("pod_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the pod in core-seconds"),
    ("pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes"),
    ("resource_scrape_error", "gauge", "1 if there was an error while getting container metrics, 0 otherwise"),
)


def family(name: str, kind: str, text: str, rows: Iterable[Row]) -> list[str]:
    """One metric family as lines."""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value, stamp in rows:
        inner = ",".join(f'{k}="{_escape(v)}"' for k, v in labels.items())
        sample = f"{name}{{{inner}}} {value:.15g}" if inner else f"{name} {value:.15g}"
        lines.append(f"{sample} {stamp}" if stamp else sample)
    return lines


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _labels(stats: Any) -> dict[str, str]:
    labels = stats.attributes.labels
    return {
        "container": labels.get(CONTAINER_NAME_LABEL, ""),
        "namespace": labels.get(POD_NAMESPACE_LABEL, ""),
        "pod": labels.get(POD_NAME_LABEL, ""),
    }


class Metrics:
    """Serves the metric endpoints."""

    def __init__(
        self, stats: StatsSummary, counts: Callable[[], dict[str, float]], started: Callable[[str], float]
    ) -> None:
        self._stats = stats
        self._counts = counts
        self._started = started
        """Container id -> start time in epoch seconds, 0 if unknown."""

    async def kubelet(self, request: web.Request) -> web.StreamResponse:
        """The kubelet's own metrics."""
        del request
        lines: list[str] = []
        for name, value in self._counts().items():
            lines += family(name, "gauge", name.replace("_", " "), [({}, value, 0)])
        return _text(lines)

    async def probes(self, request: web.Request) -> web.StreamResponse:
        """Probe metrics: none are kept."""
        del request
        return _text([])

    async def resource(self, request: web.Request) -> web.StreamResponse:
        """CPU and memory of node, pods and containers, stamped with the time they were measured."""
        del request
        stats = await self._stats.containers()
        node = self._stats.node()
        cpu: list[Row] = [
            (_labels(s), s.cpu.usage_core_nano_seconds.value / 1e9, s.cpu.timestamp // 1_000_000) for s in stats
        ]
        memory: list[Row] = [
            (_labels(s), s.memory.working_set_bytes.value, s.memory.timestamp // 1_000_000) for s in stats
        ]
        born: list[Row] = [(_labels(s), self._started(s.attributes.id), 0) for s in stats]
        now = int(time.time() * 1000)
        rows: dict[str, list[Row]] = {
            "container_cpu_usage_seconds_total": cpu,
            "container_memory_working_set_bytes": memory,
            "container_start_time_seconds": [row for row in born if row[1]],
            "node_cpu_usage_seconds_total": [({}, node["cpu"]["usageCoreNanoSeconds"] / 1e9, now)],
            "node_memory_working_set_bytes": [({}, node["memory"]["workingSetBytes"], now)],
            "pod_cpu_usage_seconds_total": _sum(cpu),
            "pod_memory_working_set_bytes": _sum(memory),
            "resource_scrape_error": [({}, 0, 0)],
        }
        return _text([line for name, kind, text in RESOURCE_METRICS for line in family(name, kind, text, rows[name])])

    async def cadvisor(self, request: web.Request) -> web.StreamResponse:
        """The container metrics dashboards look for."""
        del request
        stats = await self._stats.containers()
        lines = family(
            "container_cpu_usage_seconds_total",
            "counter",
            "Cumulative cpu time consumed in seconds.",
            [(_labels(s), s.cpu.usage_core_nano_seconds.value / 1e9, 0) for s in stats],
        )
        lines += family(
            "container_memory_working_set_bytes",
            "gauge",
            "Current working set in bytes.",
            [(_labels(s), float(s.memory.working_set_bytes.value), 0) for s in stats],
        )
        lines += family(
            "container_memory_usage_bytes",
            "gauge",
            "Current memory usage in bytes.",
            [(_labels(s), float(s.memory.usage_bytes.value), 0) for s in stats],
        )
        return _text(lines)


def _sum(rows: list[Row]) -> list[Row]:
    totals: dict[tuple[str, str], tuple[float, int]] = {}
    for labels, value, stamp in rows:
        key = (labels["namespace"], labels["pod"])
        before = totals.get(key, (0.0, 0))
        totals[key] = (before[0] + value, max(before[1], stamp))
    return [({"namespace": n, "pod": p}, value, stamp) for (n, p), (value, stamp) in totals.items()]


def _text(lines: list[str]) -> web.Response:
    body = "\n".join(lines) + "\n"
    return web.Response(text=body, content_type="text/plain", charset="utf-8")
