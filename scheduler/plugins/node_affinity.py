"""NodeAffinity: nodeSelector and node affinity, required and preferred."""
# ruff: noqa: ARG002 - extension points have one signature for all plugins

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scheduler.framework import SKIP, Plugin, Rejection, normalize_to_maximum
from scheduler.node_selector import compile_selector, compile_terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.snapshot import Snapshot

NAME = "NodeAffinity"
_MISMATCH = Rejection(NAME, ("node(s) didn't match Pod's node affinity/selector",), resolvable=False)
_ENFORCED = Rejection(NAME, ("node(s) didn't match scheduler-enforced node affinity",), resolvable=False)


class NodeAffinity(Plugin):
    """Filters by required terms, scores by the sum of the weights of preferred ones."""

    name = NAME

    def __init__(self, added_affinity: dict[str, Any] | None = None) -> None:
        """Takes `addedAffinity`, which the configuration imposes on every pod of the profile."""
        added = added_affinity or {}
        required = added.get("requiredDuringSchedulingIgnoredDuringExecution")
        self._added_required = compile_selector(required) if required else None
        self._added_preferred = tuple(
            (int(item.get("weight") or 0), compile_terms([item.get("preference") or {}]))
            for item in added.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        )

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> object:
        """Skips pods that don't care; turns away pods whose terms name only absent nodes."""
        required = pod.required_node_affinity
        if not pod.node_selector and required is None and self._added_required is None:
            return SKIP
        if required is not None and (names := required.node_names()) is not None and not names:
            return Rejection(NAME, ("pod affinity terms conflict",), resolvable=False)
        return None

    def filter(self, state: Any, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Rejection | None:
        """The node must satisfy the configuration's and the pod's own terms."""
        if self._added_required is not None and not self._added_required.matches(node.labels, node.name):
            return _ENFORCED
        return None if node.satisfies_affinity(pod) else _MISMATCH

    def pre_score(self, pod: PodInfo, nodes: Sequence[NodeInfo], snapshot: Snapshot) -> object:
        """Skips pods without preferences."""
        return None if pod.preferred_node_affinity or self._added_preferred else SKIP

    def score(self, state: Any, pod: PodInfo, node: NodeInfo) -> float:
        """Sum of the weights of the preferred terms that match."""
        return sum(
            weight
            for weight, selector in (*self._added_preferred, *pod.preferred_node_affinity)
            if selector.matches(node.labels, node.name)
        )

    def normalize(self, state: Any, scores: list[float]) -> list[float]:
        """Best node gets 100."""
        return normalize_to_maximum(scores)
