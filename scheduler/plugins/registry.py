"""The table of plugins: name, default weight, and how to make one from its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from scheduler.plugins.balanced_allocation import BalancedAllocation
from scheduler.plugins.image_locality import ImageLocality
from scheduler.plugins.inter_pod_affinity import InterPodAffinity
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_name import NodeName
from scheduler.plugins.node_ports import NodePorts
from scheduler.plugins.node_resources_fit import NodeResourcesFit, Strategy
from scheduler.plugins.node_unschedulable import NodeUnschedulable
from scheduler.plugins.pod_topology_spread import SYSTEM_DEFAULTS, PodTopologySpread
from scheduler.plugins.scheduling_gates import SchedulingGates
from scheduler.plugins.taint_toleration import TaintToleration
from scheduler.plugins.volume_binding import VolumeBinding
from scheduler.plugins.volume_restrictions import VolumeRestrictions

if TYPE_CHECKING:
    from collections.abc import Callable

    from scheduler.framework import Plugin

Arguments = dict[str, Any]


class Row(NamedTuple):
    """One plugin."""

    name: str
    weight: int
    make: Callable[[Arguments], Plugin]


def _fit(arguments: Arguments) -> Plugin:
    raw = arguments.get("scoringStrategy") or {}
    defaults = Strategy()
    strategy = Strategy(
        kind=raw.get("type") or defaults.kind,
        weights=tuple((item["name"], int(item.get("weight") or 1)) for item in raw.get("resources") or ())
        or defaults.weights,
        shape=tuple(
            (int(point["utilization"]), int(point["score"]))
            for point in (raw.get("requestedToCapacityRatio") or {}).get("shape") or ()
        )
        or defaults.shape,
    )
    ignored = frozenset(arguments.get("ignoredResources") or ())
    return NodeResourcesFit(strategy, ignored, frozenset(arguments.get("ignoredResourceGroups") or ()))


def _balanced(arguments: Arguments) -> Plugin:
    names = tuple(item["name"] for item in arguments.get("resources") or ())
    return BalancedAllocation(names or ("cpu", "memory"))


def _inter_pod_affinity(arguments: Arguments) -> Plugin:
    return InterPodAffinity(int(arguments.get("hardPodAffinityWeight", 1)))


def _spread(arguments: Arguments) -> Plugin:
    if arguments.get("defaultingType") == "List":
        return PodTopologySpread(tuple(arguments.get("defaultConstraints") or ()))
    return PodTopologySpread(SYSTEM_DEFAULTS)


# Cheap filters first: a pod that fails one is not asked about the others. The order
# also decides which plugin's reason is shown, and is upstream's.
PLUGINS: tuple[Row, ...] = (
    Row("SchedulingGates", 0, lambda _: SchedulingGates()),
    Row("NodeUnschedulable", 0, lambda _: NodeUnschedulable()),
    Row("NodeName", 0, lambda _: NodeName()),
    Row("TaintToleration", 3, lambda _: TaintToleration()),
    Row("NodeAffinity", 2, lambda arguments: NodeAffinity(arguments.get("addedAffinity"))),
    Row("NodePorts", 0, lambda _: NodePorts()),
    Row("NodeResourcesFit", 1, _fit),
    Row("VolumeRestrictions", 0, lambda _: VolumeRestrictions()),
    Row("VolumeBinding", 0, lambda _: VolumeBinding()),
    Row("PodTopologySpread", 2, _spread),
    Row("InterPodAffinity", 2, _inter_pod_affinity),
    Row("NodeResourcesBalancedAllocation", 1, _balanced),
    Row("ImageLocality", 1, lambda _: ImageLocality()),
)

# Names that a configuration may also mention; their work is done outside the plugin table
# (queue order, binding, preemption) or not needed here.
BUILT_IN: frozenset[str] = frozenset({"PrioritySort", "DefaultBinder", "DefaultPreemption"})

BY_NAME: dict[str, Row] = {row.name: row for row in PLUGINS}
