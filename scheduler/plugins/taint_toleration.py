"""TaintToleration: taints keep pods off a node unless they tolerate them."""
# ruff: noqa: ARG002 - extension points have one signature for all plugins

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apimachinery.objects.taints import tolerates
from scheduler.framework import SKIP, Plugin, Rejection, normalize_to_maximum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.snapshot import Snapshot

NAME = "TaintToleration"
_UNTOLERATED = Rejection(NAME, ("node(s) had untolerated taint(s)",), resolvable=False)


class TaintToleration(Plugin):
    """Filters by hard taints, scores against PreferNoSchedule ones."""

    name = NAME

    def filter(self, state: Any, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Rejection | None:
        """Each NoSchedule and NoExecute taint needs a toleration."""
        return _UNTOLERATED if node.taints and node.repels(pod) else None

    def pre_score(self, pod: PodInfo, nodes: Sequence[NodeInfo], snapshot: Snapshot) -> object:
        """The tolerations that can count against PreferNoSchedule."""
        if not any(taint.get("effect") == "PreferNoSchedule" for node in nodes for taint in node.taints):
            return SKIP
        return [t for t in pod.tolerations if t.get("effect") in (None, "", "PreferNoSchedule")]

    def score(self, state: Any, pod: PodInfo, node: NodeInfo) -> float:
        """Number of soft taints that the pod does not tolerate."""
        untolerated: int = sum(
            taint.get("effect") == "PreferNoSchedule" and not any(tolerates(t, taint) for t in state)
            for taint in node.taints
        )
        return untolerated

    def normalize(self, state: Any, scores: list[float]) -> list[float]:
        """Fewer is better."""
        return normalize_to_maximum(scores, reverse=True)
