"""The cluster at one moment, as the scheduling cycle reads it.

Pure data without I/O. One instance lives as long as the program and is updated by
the informers' handlers between cycles; a cycle never awaits, so nothing changes
under it. Preemption tries things out on `with_node` copies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scheduler.node_info import NodeInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apimachinery.objects.metadata import Obj
    from scheduler.pod_info import PodInfo


@dataclass(slots=True)
class Snapshot:
    """Nodes with their pods, and the other objects that decisions depend on.

    `objects` maps a plural ("persistentvolumeclaims") to objects by `ns/name` or name.
    """

    nodes: dict[str, NodeInfo] = field(default_factory=dict)
    namespace_labels: dict[str, dict[str, str]] = field(default_factory=dict)
    nominated: dict[str, dict[str, PodInfo]] = field(default_factory=dict)
    objects: dict[str, dict[str, Obj]] = field(default_factory=dict)
    pod_nodes: dict[str, str] = field(default_factory=dict)
    claims_in_use: dict[str, int] = field(default_factory=dict)

    def node_list(self) -> list[NodeInfo]:
        """The nodes that exist as objects."""
        return [node for node in self.nodes.values() if node.obj is not None]

    def set_node(self, obj: Obj) -> None:
        """A node appeared or changed."""
        name = obj["metadata"]["name"]
        node = self.nodes.get(name)
        if node is None:
            node = self.nodes[name] = NodeInfo(name)
        node.set_node(obj)

    def remove_node(self, name: str) -> None:
        """A node object went away; its pods stay counted until they are gone too."""
        node = self.nodes.get(name)
        if node is None:
            return
        node.obj = None
        if not node.pods:
            del self.nodes[name]

    def set_pod(self, pod: PodInfo, node_name: str) -> None:
        """A pod is on a node: assumed there by us, or seen there."""
        self.remove_pod(pod.uid)
        node = self.nodes.get(node_name)
        if node is None:
            node = self.nodes[node_name] = NodeInfo(node_name)
        node.add_pod(pod)
        self.pod_nodes[pod.uid] = node_name
        for claim in pod.claims:
            key = f"{pod.namespace}/{claim}"
            self.claims_in_use[key] = self.claims_in_use.get(key, 0) + 1

    def remove_pod(self, uid: str) -> str:
        """A pod left its node; returns the node's name, or an empty string."""
        node_name = self.pod_nodes.pop(uid, "")
        node = self.nodes.get(node_name)
        if node is None:
            return node_name
        pod = node.remove_pod(uid)
        if pod is not None:
            self._release_claims(pod)
        if node.obj is None and not node.pods:
            del self.nodes[node_name]
        return node_name

    def _release_claims(self, pod: PodInfo) -> None:
        for claim in pod.claims:
            key = f"{pod.namespace}/{claim}"
            count = self.claims_in_use.get(key, 0) - 1
            if count > 0:
                self.claims_in_use[key] = count
            else:
                self.claims_in_use.pop(key, None)

    def nominate(self, pod: PodInfo, node_name: str) -> None:
        """Preemption promised a node to a pod that waits."""
        self.forget_nomination(pod.uid)
        self.nominated.setdefault(node_name, {})[pod.uid] = pod

    def forget_nomination(self, uid: str) -> None:
        """The pod was bound, is gone, or its promise was withdrawn."""
        for node_name, waiting in list(self.nominated.items()):
            if waiting.pop(uid, None) is not None and not waiting:
                del self.nominated[node_name]

    def nominated_before(self, node_name: str, pod: PodInfo) -> list[PodInfo]:
        """Pods promised to the node that count as being there when `pod` is tried."""
        return [
            other
            for other in self.nominated.get(node_name, {}).values()
            if other.uid != pod.uid and other.priority >= pod.priority
        ]

    def with_node(self, node: NodeInfo) -> Snapshot:
        """A view in which one node is replaced; everything else is shared."""
        return Snapshot(
            nodes={**self.nodes, node.name: node},
            namespace_labels=self.namespace_labels,
            nominated=self.nominated,
            objects=self.objects,
            pod_nodes=self.pod_nodes,
            claims_in_use=self.claims_in_use,
        )

    def get(self, plural: str, key: str) -> Obj | None:
        """An object of one of the kinds that plugins look up."""
        return self.objects.get(plural, {}).get(key)

    def list(self, plural: str) -> Iterable[Obj]:
        """All objects of one of the kinds that plugins look up."""
        return self.objects.get(plural, {}).values()

    def set_object(self, plural: str, key: str, obj: Obj | None) -> None:
        """An object appeared, changed, or (None) went away."""
        kind: dict[str, Any] = self.objects.setdefault(plural, {})
        if obj is None:
            kind.pop(key, None)
        else:
            kind[key] = obj
