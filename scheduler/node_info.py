"""A node as the scheduler sees it: what it offers and what its pods have taken.

Pure data; `snapshot.Snapshot` owns the instances and keeps them current.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apimachinery.objects.taints import tolerates
from scheduler.resource_amounts import amounts

if TYPE_CHECKING:
    from apimachinery.objects.metadata import Obj
    from scheduler.pod_info import PodInfo

WILDCARD_ADDRESS = "0.0.0.0"
HARD_EFFECTS = ("NoSchedule", "NoExecute")


class NodeInfo:
    """One node, its allocatable amounts, and the sum of its pods' requests."""

    __slots__ = (
        "allocatable",
        "images",
        "labels",
        "max_pods",
        "name",
        "nonzero_cpu",
        "nonzero_memory",
        "obj",
        "pods",
        "pods_with_affinity",
        "pods_with_anti_affinity",
        "port_counts",
        "requested",
        "taints",
        "unschedulable",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.obj: Obj | None = None
        self.labels: dict[str, str] = {}
        self.taints: tuple[dict[str, Any], ...] = ()
        self.unschedulable = False
        self.allocatable: dict[str, int] = {}
        self.max_pods = 0
        self.images: dict[str, int] = {}
        self.pods: dict[str, PodInfo] = {}
        self.pods_with_affinity: dict[str, PodInfo] = {}
        self.pods_with_anti_affinity: dict[str, PodInfo] = {}
        self.requested: dict[str, int] = {}
        self.nonzero_cpu = 0
        self.nonzero_memory = 0
        self.port_counts: dict[tuple[str, str, int], int] = {}

    def set_node(self, obj: Obj) -> None:
        """Takes over what a node object says."""
        self.obj = obj
        spec = obj.get("spec") or {}
        status = obj.get("status") or {}
        self.labels = obj["metadata"].get("labels") or {}
        self.taints = tuple(spec.get("taints") or ())
        self.unschedulable = bool(spec.get("unschedulable"))
        self.allocatable = amounts(status.get("allocatable") or status.get("capacity") or {})
        self.max_pods = self.allocatable.get("pods", 0)
        self.images = {
            image_name: int(image.get("sizeBytes") or 0)
            for image in status.get("images") or ()
            for image_name in image.get("names") or ()
        }

    def add_pod(self, pod: PodInfo) -> None:
        """Counts a pod in."""
        self.pods[pod.uid] = pod
        if pod.has_affinity_terms:
            self.pods_with_affinity[pod.uid] = pod
            if pod.required_anti_affinity:
                self.pods_with_anti_affinity[pod.uid] = pod
        self._account(pod, 1)

    def remove_pod(self, uid: str) -> PodInfo | None:
        """Counts a pod out again; returns it if it was there."""
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self.pods_with_affinity.pop(uid, None)
            self.pods_with_anti_affinity.pop(uid, None)
            self._account(pod, -1)
        return pod

    def _account(self, pod: PodInfo, sign: int) -> None:
        for resource, amount in pod.requests.items():
            self.requested[resource] = self.requested.get(resource, 0) + sign * amount
        self.nonzero_cpu += sign * pod.nonzero_cpu
        self.nonzero_memory += sign * pod.nonzero_memory
        for port in pod.host_ports:
            count = self.port_counts.get(port, 0) + sign
            if count > 0:
                self.port_counts[port] = count
            else:
                self.port_counts.pop(port, None)

    def has_port_conflict(self, wanted: tuple[str, str, int]) -> bool:
        """Whether a host port is taken; the wildcard address meets every other one."""
        if not self.port_counts:
            return False
        address, protocol, port = wanted
        if address == WILDCARD_ADDRESS:
            return any(used[1:] == (protocol, port) for used in self.port_counts)
        return wanted in self.port_counts or (WILDCARD_ADDRESS, protocol, port) in self.port_counts

    def satisfies_affinity(self, pod: PodInfo) -> bool:
        """Whether the node has what the pod's nodeSelector and required node affinity ask for."""
        for key, value in pod.node_selector.items():
            if self.labels.get(key) != value:
                return False
        required = pod.required_node_affinity
        return required is None or required.matches(self.labels, self.name)

    def repels(self, pod: PodInfo) -> bool:
        """Whether a NoSchedule or NoExecute taint of the node is not tolerated by the pod."""
        return any(
            taint.get("effect") in HARD_EFFECTS and not any(tolerates(t, taint) for t in pod.tolerations)
            for taint in self.taints
        )

    def clone(self) -> NodeInfo:
        """A copy whose pods can be added and removed without touching this one."""
        copy = NodeInfo(self.name)
        for slot in ("obj", "labels", "taints", "unschedulable", "allocatable", "max_pods", "images"):
            setattr(copy, slot, getattr(self, slot))
        for slot in ("pods", "pods_with_affinity", "pods_with_anti_affinity", "requested", "port_counts"):
            setattr(copy, slot, dict(getattr(self, slot)))
        copy.nonzero_cpu = self.nonzero_cpu
        copy.nonzero_memory = self.nonzero_memory
        return copy
