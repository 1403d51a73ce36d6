"""Queueing hints: which change in the cluster can make which waiting pod schedulable.

Pure. A pod that was turned away waits until something happens that one of the
plugins that turned it away cares about (KEP-4247); everything else leaves it asleep.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo


class Change(Enum):
    """What happened."""

    NODE_ADDED = auto()
    NODE_LABELS = auto()
    NODE_TAINTS = auto()
    NODE_ALLOCATABLE = auto()
    POD_ADDED = auto()
    POD_LABELS = auto()
    POD_SCALED_DOWN = auto()
    POD_REMOVED = auto()
    NAMESPACE = auto()
    CLAIM = auto()
    VOLUME = auto()
    STORAGE_CLASS = auto()
    SERVICE = auto()


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """A change, with the pod or node it happened to."""

    change: Change
    pod: PodInfo | None = None
    node: NodeInfo | None = None


def _always(_pod: PodInfo, _event: ClusterEvent) -> bool:
    return True


def _node_offers_enough(pod: PodInfo, event: ClusterEvent) -> bool:
    node = event.node
    return node is None or (
        node.max_pods > 0 and all(node.allocatable.get(name, 0) >= amount for name, amount in pod.requests.items())
    )


def _node_matches(pod: PodInfo, event: ClusterEvent) -> bool:
    return event.node is None or event.node.satisfies_affinity(pod)


def _node_accepts(pod: PodInfo, event: ClusterEvent) -> bool:
    return event.node is None or not event.node.repels(pod)


def _node_is_named(pod: PodInfo, event: ClusterEvent) -> bool:
    return event.node is None or pod.node_name == event.node.name


def _frees_a_port(pod: PodInfo, event: ClusterEvent) -> bool:
    if event.pod is None:
        return True
    wanted = {port[1:] for port in pod.host_ports}
    return any(port[1:] in wanted for port in event.pod.host_ports)


def _same_namespace(pod: PodInfo, event: ClusterEvent) -> bool:
    return event.pod is None or event.pod.namespace == pod.namespace


def _shares_a_claim(pod: PodInfo, event: ClusterEvent) -> bool:
    if event.pod is None:
        return True
    return event.pod.namespace == pod.namespace and not set(event.pod.claims).isdisjoint(pod.claims)


HINTS: dict[str, dict[Change, Callable[[PodInfo, ClusterEvent], bool]]] = {
    "NodeName": {Change.NODE_ADDED: _node_is_named},
    "NodeUnschedulable": {Change.NODE_ADDED: _always, Change.NODE_TAINTS: _always},
    "TaintToleration": {Change.NODE_ADDED: _node_accepts, Change.NODE_TAINTS: _node_accepts},
    "NodeAffinity": {Change.NODE_ADDED: _node_matches, Change.NODE_LABELS: _node_matches},
    "NodePorts": {Change.NODE_ADDED: _always, Change.POD_REMOVED: _frees_a_port},
    "NodeResourcesFit": {
        Change.NODE_ADDED: _node_offers_enough,
        Change.NODE_ALLOCATABLE: _node_offers_enough,
        Change.POD_REMOVED: _always,
        Change.POD_SCALED_DOWN: _always,
    },
    "InterPodAffinity": {
        Change.NODE_ADDED: _always,
        Change.NODE_LABELS: _always,
        Change.POD_ADDED: lambda pod, _: bool(pod.required_affinity),
        Change.POD_REMOVED: _always,
        Change.POD_LABELS: _always,
        Change.NAMESPACE: _always,
    },
    "PodTopologySpread": {
        Change.NODE_ADDED: _always,
        Change.NODE_LABELS: _always,
        Change.NODE_TAINTS: _always,
        Change.POD_ADDED: _same_namespace,
        Change.POD_REMOVED: _same_namespace,
        Change.POD_LABELS: _same_namespace,
    },
    "VolumeRestrictions": {Change.POD_REMOVED: _shares_a_claim, Change.CLAIM: _always},
    "VolumeBinding": {
        Change.NODE_ADDED: _always,
        Change.NODE_LABELS: _always,
        Change.CLAIM: _always,
        Change.VOLUME: _always,
        Change.STORAGE_CLASS: _always,
    },
}


def wakes(event: ClusterEvent, pod: PodInfo, plugins: frozenset[str]) -> bool:
    """Whether the event may help the pod; a pod that nobody in particular refused wakes at any."""
    if not plugins:
        return True
    return any(hint(pod, event) for name in plugins if (hint := HINTS.get(name, {}).get(event.change)) is not None)
