"""NodeResourcesBalancedAllocation: prefer nodes whose CPU and memory fill up evenly."""
# ruff: noqa: ARG002 - extension points have one signature for all plugins

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scheduler.framework import MAX_NODE_SCORE, SKIP, Plugin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.snapshot import Snapshot

NAME = "NodeResourcesBalancedAllocation"


class BalancedAllocation(Plugin):
    """Scores by how much the pod improves the balance of the used fractions."""

    name = NAME

    def __init__(self, resources: tuple[str, ...] = ("cpu", "memory")) -> None:
        """Takes the resources whose fractions are compared."""
        self._resources = resources

    def pre_score(self, pod: PodInfo, nodes: Sequence[NodeInfo], snapshot: Snapshot) -> object:
        """Best-effort pods don't change the balance (upstream skips them since 1.33)."""
        return None if any(pod.requests.get(resource) for resource in self._resources) else SKIP

    def score(self, state: Any, pod: PodInfo, node: NodeInfo) -> float:
        """50 for no change, more when the pod evens the fractions out."""
        after = self._balance(node, pod)
        before = self._balance(node, None)
        return (MAX_NODE_SCORE + after - before) // 2

    def _balance(self, node: NodeInfo, pod: PodInfo | None) -> float:
        fractions = []
        for resource in self._resources:
            capacity = node.allocatable.get(resource, 0)
            if capacity == 0:
                continue
            used = node.requested.get(resource, 0) + (pod.requests.get(resource, 0) if pod else 0)
            fractions.append(min(used / capacity, 1.0))
        if len(fractions) == 2:
            deviation = abs(fractions[0] - fractions[1]) / 2
        elif len(fractions) > 2:
            mean = sum(fractions) / len(fractions)
            deviation = (sum((f - mean) ** 2 for f in fractions) / len(fractions)) ** 0.5
        else:
            deviation = 0.0
        return (1 - deviation) * MAX_NODE_SCORE
