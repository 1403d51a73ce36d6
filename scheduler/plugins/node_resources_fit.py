"""NodeResourcesFit: does the node have what the pod requests, and how well does it fit?"""
# ruff: noqa: ARG002 - extension points have one signature for all plugins

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scheduler.framework import MAX_NODE_SCORE, Plugin, Rejection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.snapshot import Snapshot

NAME = "NodeResourcesFit"
_MAX_UTILIZATION = 100


@dataclass(frozen=True, slots=True)
class Strategy:
    """`scoringStrategy` of the plugin's arguments."""

    kind: str = "LeastAllocated"
    weights: tuple[tuple[str, int], ...] = (("cpu", 1), ("memory", 1))
    shape: tuple[tuple[int, int], ...] = ((0, 0), (100, 10))


class NodeResourcesFit(Plugin):
    """Filters by requests against allocatable, scores by what would be left."""

    name = NAME

    def __init__(
        self,
        strategy: Strategy | None = None,
        ignored: frozenset[str] = frozenset(),
        ignored_groups: frozenset[str] = frozenset(),
    ) -> None:
        """Takes the scoring strategy and the extended resources that are someone else's matter."""
        self._strategy = strategy or Strategy()
        self._ignored = ignored
        self._ignored_groups = ignored_groups

    def filter(self, state: Any, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Rejection | None:
        """Every lacking resource is a reason of its own, as in upstream's messages."""
        reasons: list[str] = []
        resolvable = True
        if len(node.pods) + 1 > node.max_pods:
            reasons.append("Too many pods")
            resolvable = node.max_pods > 0
        allocatable, requested = node.allocatable, node.requested
        for resource, amount in pod.requests.items():
            if amount == 0 or self._is_ignored(resource):
                continue
            capacity = allocatable.get(resource, 0)
            if amount > capacity - requested.get(resource, 0):
                reasons.append(f"Insufficient {resource}")
                # More than the whole node has: no eviction helps.
                resolvable = resolvable and amount <= capacity
        return Rejection(NAME, tuple(reasons), resolvable) if reasons else None

    def _is_ignored(self, resource: str) -> bool:
        return resource in self._ignored or resource.partition("/")[0] in self._ignored_groups

    def pre_score(self, pod: PodInfo, nodes: Sequence[NodeInfo], snapshot: Snapshot) -> object:
        """Nothing to prepare; without this override the plugin would not be scored."""
        return None

    def score(self, state: Any, pod: PodInfo, node: NodeInfo) -> float:
        """Weighted mean over the strategy's resources."""
        total = 0.0
        weights = 0
        for resource, weight in self._strategy.weights:
            capacity = node.allocatable.get(resource, 0)
            used = _used(pod, node, resource)
            if capacity == 0 or (resource not in ("cpu", "memory") and resource not in pod.requests):
                continue
            total += weight * self._score_one(min(used, capacity), capacity, over=used > capacity)
            weights += weight
        return total // weights if weights else 0

    def _score_one(self, used: int, capacity: int, *, over: bool) -> float:
        match self._strategy.kind:
            case "MostAllocated":
                return used * MAX_NODE_SCORE // capacity
            case "RequestedToCapacityRatio":
                utilization = _MAX_UTILIZATION if over else used * _MAX_UTILIZATION // capacity
                return _interpolate(self._strategy.shape, utilization)
        return 0 if over else (capacity - used) * MAX_NODE_SCORE // capacity


def _used(pod: PodInfo, node: NodeInfo, resource: str) -> int:
    if resource == "cpu":
        return node.nonzero_cpu + pod.nonzero_cpu
    if resource == "memory":
        return node.nonzero_memory + pod.nonzero_memory
    return node.requested.get(resource, 0) + pod.requests.get(resource, 0)


def _interpolate(shape: tuple[tuple[int, int], ...], utilization: int) -> float:
    """Piecewise linear function through the shape's points; its scores run 0..10."""
    previous_x, previous_y = shape[0]
    if utilization <= previous_x:
        return previous_y * 10
    for x, y in shape[1:]:
        if utilization <= x:
            return (previous_y + (y - previous_y) * (utilization - previous_x) / (x - previous_x)) * 10
        previous_x, previous_y = x, y
    return previous_y * 10
