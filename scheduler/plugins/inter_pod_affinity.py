"""InterPodAffinity: pods that want to be near, or far from, other pods.

For each topology label the pods that a term speaks of are counted per value of the
label; a node is judged by the counts of its own values. Required terms filter,
preferred terms (and the preferred terms of pods already placed) score.
"""
# ruff: noqa: ARG002 - extension points have one signature for all plugins

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scheduler.framework import MAX_NODE_SCORE, SKIP, Plugin, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import AffinityTerm, PodInfo
    from scheduler.snapshot import Snapshot

NAME = "InterPodAffinity"
_AFFINITY = Rejection(NAME, ("node(s) didn't match pod affinity rules",), resolvable=False)
_ANTI_AFFINITY = Rejection(NAME, ("node(s) didn't match pod anti-affinity rules",))
_EXISTING = Rejection(NAME, ("node(s) didn't satisfy existing pods anti-affinity rules",))

# (label key, label value) -> number of pods
_Counts = dict[tuple[str, str], int]


@dataclass(slots=True)
class _FilterState:
    existing_anti: _Counts = field(default_factory=dict)
    affinity: _Counts = field(default_factory=dict)
    anti: _Counts = field(default_factory=dict)
    first_of_its_kind: bool = False


class InterPodAffinity(Plugin):
    """Filters by required terms of both sides, scores by preferred ones."""

    name = NAME

    def __init__(self, hard_pod_affinity_weight: int = 1) -> None:
        """Takes the score that a required term of a placed pod is worth to its kin."""
        self._hard_weight = hard_pod_affinity_weight

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> object:
        """Counts matching pods per topology value."""
        state = _FilterState()
        labels_of = snapshot.namespace_labels
        for node in snapshot.nodes.values():
            for existing in node.pods_with_anti_affinity.values():
                _count(state.existing_anti, node, existing.required_anti_affinity, pod, labels_of)
            if pod.required_affinity or pod.required_anti_affinity:
                for existing in node.pods.values():
                    if pod.required_affinity and all(t.matches(existing, labels_of) for t in pod.required_affinity):
                        _bump(state.affinity, node, pod.required_affinity)
                    matching = [t for t in pod.required_anti_affinity if t.matches(existing, labels_of)]
                    _bump(state.anti, node, matching)
        if not (state.existing_anti or pod.required_affinity or pod.required_anti_affinity):
            return SKIP
        state.first_of_its_kind = not state.affinity and all(t.matches(pod, labels_of) for t in pod.required_affinity)
        return state

    def filter(self, state: Any, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Rejection | None:
        """Own affinity, own anti-affinity, then the anti-affinity of those already there."""
        if not _affinity_holds(state, pod, node):
            return _AFFINITY
        if any(state.anti.get(pair) for pair in _pairs(node, pod.required_anti_affinity)):
            return _ANTI_AFFINITY
        if any(state.existing_anti.get(pair) for pair in state.existing_anti if node.labels.get(pair[0]) == pair[1]):
            return _EXISTING
        return None

    def pre_score(self, pod: PodInfo, nodes: Sequence[NodeInfo], snapshot: Snapshot) -> object:
        """Sums weights per topology value over all pods of all nodes."""
        wants = bool(pod.preferred_affinity or pod.preferred_anti_affinity)
        weights: dict[tuple[str, str], float] = {}
        labels_of = snapshot.namespace_labels
        for node in snapshot.nodes.values():
            for existing in (node.pods if wants else node.pods_with_affinity).values():
                self._weigh(weights, pod, existing, node, labels_of)
        return weights or SKIP

    def _weigh(
        self,
        weights: dict[tuple[str, str], float],
        pod: PodInfo,
        existing: PodInfo,
        node: NodeInfo,
        labels_of: dict[str, dict[str, str]],
    ) -> None:
        """Adds what one placed pod contributes to the score of its topology values."""
        contributions = (
            *((term, existing, term.weight) for term in pod.preferred_affinity),
            *((term, existing, -term.weight) for term in pod.preferred_anti_affinity),
            *((term, pod, self._hard_weight) for term in existing.required_affinity),
            *((term, pod, term.weight) for term in existing.preferred_affinity),
            *((term, pod, -term.weight) for term in existing.preferred_anti_affinity),
        )
        for term, target, weight in contributions:
            value = node.labels.get(term.topology_key)
            if weight and value is not None and term.matches(target, labels_of):
                pair = (term.topology_key, value)
                weights[pair] = weights.get(pair, 0) + weight

    def score(self, state: Any, pod: PodInfo, node: NodeInfo) -> float:
        """Sum over the node's topology values."""
        total: float = sum(weight for (key, value), weight in state.items() if node.labels.get(key) == value)
        return total

    def normalize(self, state: Any, scores: list[float]) -> list[float]:
        """Stretches the range of scores, negative ones included, to 0..100."""
        lowest, highest = min(scores), max(scores)
        if lowest == highest:
            return [0.0] * len(scores)
        return [MAX_NODE_SCORE * (score - lowest) // (highest - lowest) for score in scores]


def _pairs(node: NodeInfo, terms: Iterable[AffinityTerm]) -> list[tuple[str, str]]:
    return [(term.topology_key, value) for term in terms if (value := node.labels.get(term.topology_key)) is not None]


def _bump(counts: _Counts, node: NodeInfo, terms: Iterable[AffinityTerm]) -> None:
    for pair in _pairs(node, terms):
        counts[pair] = counts.get(pair, 0) + 1


def _count(
    counts: _Counts,
    node: NodeInfo,
    terms: Iterable[AffinityTerm],
    target: PodInfo,
    labels_of: dict[str, dict[str, str]],
) -> None:
    _bump(counts, node, [term for term in terms if term.matches(target, labels_of)])


def _affinity_holds(state: _FilterState, pod: PodInfo, node: NodeInfo) -> bool:
    found = True
    for term in pod.required_affinity:
        value = node.labels.get(term.topology_key)
        if value is None:
            return False
        if not state.affinity.get((term.topology_key, value)):
            found = False
    # The first pod of a group that wants to be near itself may go anywhere that has the label.
    return found or state.first_of_its_kind
