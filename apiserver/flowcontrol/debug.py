"""The tables under /debug/api_priority_and_fairness/. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from apiserver.flowcontrol.priority_level import Level

_Rows = list[tuple[str, ...]]


def _levels(levels: Iterable[Level]) -> _Rows:
    rows: _Rows = [
        ("PriorityLevelName", "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests", "ExecutingRequests")
    ]
    for level in levels:
        idle = str(not (level.running or level.waiting)).lower()
        rows.append((level.name, str(len(level.flows())), idle, "false", str(level.waiting), str(level.running)))
    return rows


def _queues(levels: Iterable[Level]) -> _Rows:
    rows: _Rows = [("PriorityLevelName", "Index", "PendingRequests", "FlowSchemaName", "FlowDistinguisher", "Used")]
    for level in levels:
        for index, flow in enumerate(level.flows()):
            rows.append((level.name, str(index), str(len(flow.waiting)), *flow.name, f"{flow.used:.6f}s"))
    return rows


def _requests(levels: Iterable[Level]) -> _Rows:
    rows: _Rows = [("PriorityLevelName", "FlowSchemaName", "QueueIndex", "RequestIndexInQueue", "FlowDistingsher")]
    for level in levels:
        for index, flow in enumerate(level.flows()):
            schema, distinguisher = flow.name
            rows += [(level.name, schema, str(index), str(place), distinguisher) for place in range(len(flow.waiting))]
    return rows


_DUMPS: Final[dict[str, Callable[[Iterable[Level]], _Rows]]] = {
    "dump_priority_levels": _levels,
    "dump_queues": _queues,
    "dump_requests": _requests,
}


def dump(name: str, levels: Iterable[Level]) -> bytes | None:
    """Return a table as text, None where there is none of that name."""
    made = _DUMPS.get(name)
    if made is None:
        return None
    rows = made(sorted(levels, key=lambda level: level.name))
    widths = [max(len(row[column]) for row in rows) + 2 for column in range(len(rows[0]))]
    lines = ["".join(f"{cell + ',':{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines).encode() + b"\n"
