"""/metrics, /metrics/resource, /metrics/cadvisor and /metrics/probes in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

from kubelet.runtime.pod_state import CONTAINER_NAME_LABEL, POD_NAME_LABEL, POD_NAMESPACE_LABEL
from kubelet.server.stats_summary import StatsSummary

Obj = dict[str, Any]
Row = tuple[dict[str, str], float]


def family(name: str, kind: str, text: str, rows: Iterable[Row]) -> list[str]:
    """One metric family as lines."""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value in rows:
        inner = ",".join(f'{k}="{_escape(v)}"' for k, v in labels.items())
        lines.append(f"{name}{{{inner}}} {value:g}" if inner else f"{name} {value:.17g}")
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

    def __init__(self, stats: StatsSummary, counts: Callable[[], dict[str, float]]) -> None:
        self._stats = stats
        self._counts = counts

    async def kubelet(self, request: web.Request) -> web.StreamResponse:
        """The kubelet's own metrics."""
        del request
        lines: list[str] = []
        for name, value in self._counts().items():
            lines += family(name, "gauge", name.replace("_", " "), [({}, value)])
        return _text(lines)

    async def probes(self, request: web.Request) -> web.StreamResponse:
        """Probe metrics: none are kept."""
        del request
        return _text([])

    async def resource(self, request: web.Request) -> web.StreamResponse:
        """CPU and memory of node, pods and containers."""
        del request
        stats = await self._stats.containers()
        node = self._stats.node()
        cpu: list[Row] = [(_labels(s), s.cpu.usage_core_nano_seconds.value / 1e9) for s in stats]
        memory: list[Row] = [(_labels(s), float(s.memory.working_set_bytes.value)) for s in stats]
        lines = family(
            "container_cpu_usage_seconds_total",
            "counter",
            "Cumulative cpu time consumed by the container in core-seconds",
            cpu,
        )
        lines += family(
            "container_memory_working_set_bytes", "gauge", "Current working set of the container in bytes", memory
        )
        lines += family(
            "node_cpu_usage_seconds_total",
            "counter",
            "Cumulative cpu time consumed by the node in core-seconds",
            [({}, node["cpu"]["usageCoreNanoSeconds"] / 1e9)],
        )
        lines += family(
            "node_memory_working_set_bytes",
            "gauge",
            "Current working set of the node in bytes",
            [({}, float(node["memory"]["workingSetBytes"]))],
        )
        lines += family(
            "pod_cpu_usage_seconds_total",
            "counter",
            "Cumulative cpu time consumed by the pod in core-seconds",
            _sum(cpu),
        )
        lines += family(
            "pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes", _sum(memory)
        )
        lines += family(
            "resource_scrape_error",
            "gauge",
            "1 if there was an error while getting container metrics, 0 otherwise",
            [({}, 0)],
        )
        return _text(lines)

    async def cadvisor(self, request: web.Request) -> web.StreamResponse:
        """The container metrics dashboards look for."""
        del request
        stats = await self._stats.containers()
        lines = family(
            "container_cpu_usage_seconds_total",
            "counter",
            "Cumulative cpu time consumed in seconds.",
            [(_labels(s), s.cpu.usage_core_nano_seconds.value / 1e9) for s in stats],
        )
        lines += family(
            "container_memory_working_set_bytes",
            "gauge",
            "Current working set in bytes.",
            [(_labels(s), float(s.memory.working_set_bytes.value)) for s in stats],
        )
        lines += family(
            "container_memory_usage_bytes",
            "gauge",
            "Current memory usage in bytes.",
            [(_labels(s), float(s.memory.usage_bytes.value)) for s in stats],
        )
        return _text(lines)


def _sum(rows: list[Row]) -> list[Row]:
    totals: dict[tuple[str, str], float] = {}
    for labels, value in rows:
        key = (labels["namespace"], labels["pod"])
        totals[key] = totals.get(key, 0.0) + value
    return [({"namespace": n, "pod": p}, value) for (n, p), value in totals.items()]


def _text(lines: list[str]) -> web.Response:
    body = "\n".join(lines) + "\n"
    return web.Response(text=body, content_type="text/plain", charset="utf-8")
