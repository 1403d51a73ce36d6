"""PodTopologySpread: keep the pods of a group evenly over zones, hosts or other domains."""
# ruff: noqa: ARG002 - extension points have one signature for all plugins

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apimachinery.objects import selectors
from scheduler.framework import MAX_NODE_SCORE, SKIP, Plugin, Rejection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apimachinery.objects.selectors import Selector
    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.snapshot import Snapshot

NAME = "PodTopologySpread"
HOSTNAME = "kubernetes.io/hostname"
_UNEVEN = Rejection(NAME, ("node(s) didn't match pod topology spread constraints",))
_NO_LABEL = Rejection(
    NAME, ("node(s) didn't match pod topology spread constraints (missing required label)",), resolvable=False
)

# What upstream spreads by when a pod that some Service or workload selects says nothing.
SYSTEM_DEFAULTS: tuple[dict[str, Any], ...] = (
    {"topologyKey": HOSTNAME, "maxSkew": 3, "whenUnsatisfiable": "ScheduleAnyway"},
    {"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 5, "whenUnsatisfiable": "ScheduleAnyway"},
)


@dataclass(frozen=True, slots=True)
class _Constraint:
    topology_key: str
    max_skew: int
    selector: Selector | None
    min_domains: int
    honor_affinity: bool
    honor_taints: bool

    def counts(self, other: PodInfo, namespace: str) -> bool:
        return (
            other.namespace == namespace
            and not other.terminating
            and self.selector is not None
            and self.selector.matches(other.labels)
        )


@dataclass(slots=True)
class _Spread:
    constraint: _Constraint
    matches_self: bool
    per_domain: dict[str, int] = field(default_factory=dict)

    @property
    def lowest(self) -> int:
        """The count of the emptiest domain; 0 while there are fewer domains than wanted."""
        if len(self.per_domain) < self.constraint.min_domains:
            return 0
        return min(self.per_domain.values(), default=0)


class PodTopologySpread(Plugin):
    """Filters by DoNotSchedule constraints, scores by ScheduleAnyway ones."""

    name = NAME

    def __init__(self, defaults: tuple[dict[str, Any], ...] = SYSTEM_DEFAULTS) -> None:
        """Takes the constraints of pods that have none of their own."""
        self._defaults = defaults

    def _constraints(self, pod: PodInfo, snapshot: Snapshot, action: str) -> list[_Constraint]:
        own = pod.spec.get("topologySpreadConstraints") or ()
        if own:
            return [_compile(item, pod, None) for item in own if item.get("whenUnsatisfiable") == action]
        wanted = [item for item in self._defaults if item.get("whenUnsatisfiable") == action]
        if not wanted or (selector := _service_selector(pod, snapshot)) is None:
            return []
        return [_compile(item, pod, selector) for item in wanted]

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> object:
        """Counts the group's pods per domain, over the nodes the pod could use."""
        constraints = self._constraints(pod, snapshot, "DoNotSchedule")
        if not constraints:
            return SKIP
        spreads = [_Spread(c, c.selector is not None and c.selector.matches(pod.labels)) for c in constraints]
        for node in snapshot.node_list():
            if any(c.topology_key not in node.labels for c in constraints):
                continue
            for spread in spreads:
                _count_node(spread, pod, node)
        return spreads

    def filter(self, state: Any, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Rejection | None:
        """The domain's count after placing, less the emptiest domain's, may not pass maxSkew."""
        for spread in state:
            domain = node.labels.get(spread.constraint.topology_key)
            if domain is None:
                return _NO_LABEL
            skew = spread.per_domain.get(domain, 0) + spread.matches_self - spread.lowest
            if skew > spread.constraint.max_skew:
                return _UNEVEN
        return None

    def pre_score(self, pod: PodInfo, nodes: Sequence[NodeInfo], snapshot: Snapshot) -> object:
        """Counts per domain of the feasible nodes, and a weight for each constraint."""
        constraints = self._constraints(pod, snapshot, "ScheduleAnyway")
        if not constraints:
            return SKIP
        required = bool(pod.spec.get("topologySpreadConstraints"))
        spreads = [_Spread(c, matches_self=True) for c in constraints]
        domains: list[set[str]] = [set() for _ in spreads]
        for node in nodes:
            for spread, found in zip(spreads, domains, strict=True):
                if (domain := node.labels.get(spread.constraint.topology_key)) is not None:
                    found.add(domain)
        for node in snapshot.node_list():
            if required and any(c.topology_key not in node.labels for c in constraints):
                continue
            for spread in spreads:
                _count_node(spread, pod, node)
        # More domains spread a skew thinner, so they count more (upstream: log(size + 2)).
        return [(spread, math.log(len(found) + 2)) for spread, found in zip(spreads, domains, strict=True)]

    def score(self, state: Any, pod: PodInfo, node: NodeInfo) -> float:
        """How full the node's domains are: lower is better; -1 marks a node outside all domains."""
        total = 0.0
        for spread, weight in state:
            domain = node.labels.get(spread.constraint.topology_key)
            if domain is None:
                if pod.spec.get("topologySpreadConstraints"):
                    return -1
                continue
            total += spread.per_domain.get(domain, 0) * weight + spread.constraint.max_skew - 1
        return round(total)

    def normalize(self, state: Any, scores: list[float]) -> list[float]:
        """Turns "how full" round; nodes without the labels get 0."""
        valid = [score for score in scores if score >= 0]
        if not valid:
            return [0.0] * len(scores)
        lowest, highest = min(valid), max(valid)
        if highest == 0:
            return [float(MAX_NODE_SCORE) if score >= 0 else 0.0 for score in scores]
        return [MAX_NODE_SCORE * (highest + lowest - score) // highest if score >= 0 else 0.0 for score in scores]


def _count_node(spread: _Spread, pod: PodInfo, node: NodeInfo) -> None:
    constraint = spread.constraint
    domain = node.labels.get(constraint.topology_key)
    if domain is None:
        return
    if constraint.honor_affinity and not node.satisfies_affinity(pod):
        return
    if constraint.honor_taints and node.repels(pod):
        return
    found = sum(constraint.counts(other, pod.namespace) for other in node.pods.values())
    spread.per_domain[domain] = spread.per_domain.get(domain, 0) + found


def _compile(item: dict[str, Any], pod: PodInfo, selector: Selector | None) -> _Constraint:
    raw = item.get("labelSelector")
    if selector is None and raw is not None:
        keys = [key for key in item.get("matchLabelKeys") or () if key in pod.labels]
        expressions = [
            *(raw.get("matchExpressions") or ()),
            *({"key": key, "operator": "In", "values": [pod.labels[key]]} for key in keys),
        ]
        selector = selectors.from_label_selector({**raw, "matchExpressions": expressions})
    return _Constraint(
        topology_key=item["topologyKey"],
        max_skew=int(item.get("maxSkew") or 1),
        selector=selector,
        min_domains=int(item.get("minDomains") or 1),
        honor_affinity=item.get("nodeAffinityPolicy", "Honor") == "Honor",
        honor_taints=item.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )


def _service_selector(pod: PodInfo, snapshot: Snapshot) -> Selector | None:
    """The joint selector of the Services that select the pod, for the default constraints."""
    labels: dict[str, str] = {}
    for service in snapshot.list("services"):
        if service["metadata"].get("namespace") != pod.namespace:
            continue
        wanted = (service.get("spec") or {}).get("selector") or {}
        if wanted and all(pod.labels.get(key) == value for key, value in wanted.items()):
            labels.update(wanted)
    return selectors.from_label_selector({"matchLabels": labels}) if labels else None
