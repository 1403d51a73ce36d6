"""A pod as the scheduler sees it: everything a cycle needs, parsed once.

Pure. A `PodInfo` is made when an informer shows a pod and thrown away when the
pod changes; plugins read it and never go back to the JSON for hot fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apimachinery.objects import pods, selectors
from scheduler import node_selector
from scheduler.resource_amounts import request_amounts

if TYPE_CHECKING:
    from apimachinery.objects.metadata import Obj
    from apimachinery.objects.selectors import Selector
    from scheduler.node_selector import NodeSelector

# What a container that asks for nothing is counted as when nodes are compared
# (upstream: DefaultMilliCPURequest, DefaultMemoryRequest).
DEFAULT_MILLI_CPU = 100
DEFAULT_MEMORY = 200 * 1024 * 1024

DEFAULT_SCHEDULER_NAME = "default-scheduler"


@dataclass(frozen=True, slots=True)
class AffinityTerm:
    """One pod (anti-)affinity term: which pods, in which namespaces, over which node label."""

    selector: Selector | None
    namespaces: frozenset[str]
    namespace_selector: Selector | None
    topology_key: str
    weight: int = 0

    def matches(self, pod: PodInfo, namespace_labels: dict[str, dict[str, str]]) -> bool:
        """Whether the term speaks of this pod."""
        if pod.namespace not in self.namespaces:
            if self.namespace_selector is None:
                return False
            if not self.namespace_selector.matches(namespace_labels.get(pod.namespace, {})):
                return False
        return self.selector is not None and self.selector.matches(pod.labels)


@dataclass(slots=True)
class PodInfo:
    """The parsed pod."""

    obj: Obj
    uid: str
    namespace: str
    name: str
    labels: dict[str, str]
    priority: int
    requests: dict[str, int]
    nonzero_cpu: int
    nonzero_memory: int
    host_ports: tuple[tuple[str, str, int], ...]
    tolerations: tuple[dict[str, Any], ...]
    node_selector: dict[str, str]
    required_node_affinity: NodeSelector | None
    preferred_node_affinity: tuple[tuple[int, NodeSelector], ...]
    required_affinity: tuple[AffinityTerm, ...] = ()
    required_anti_affinity: tuple[AffinityTerm, ...] = ()
    preferred_affinity: tuple[AffinityTerm, ...] = ()
    preferred_anti_affinity: tuple[AffinityTerm, ...] = ()
    images: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    node_name: str = field(default="")

    @property
    def key(self) -> str:
        """`namespace/name`, as logs and messages show it."""
        return f"{self.namespace}/{self.name}"

    @property
    def spec(self) -> dict[str, Any]:
        """The pod's spec as stored."""
        spec: dict[str, Any] = self.obj["spec"]
        return spec

    @property
    def scheduler_name(self) -> str:
        """The profile the pod asks for."""
        return str(self.spec.get("schedulerName") or DEFAULT_SCHEDULER_NAME)

    @property
    def nominated_node(self) -> str:
        """The node that preemption promised to this pod, if any."""
        return str(self.obj.get("status", {}).get("nominatedNodeName") or "")

    @property
    def terminating(self) -> bool:
        """Whether the pod is being deleted."""
        return bool(self.obj["metadata"].get("deletionTimestamp"))

    @property
    def created(self) -> str:
        """Creation time, which sorts as text."""
        return str(self.obj["metadata"].get("creationTimestamp") or "")

    @property
    def started(self) -> str:
        """Start time if the kubelet reported one, else the creation time."""
        return str(self.obj.get("status", {}).get("startTime") or self.created)

    @property
    def has_affinity_terms(self) -> bool:
        """Whether the pod has any pod (anti-)affinity term."""
        return bool(
            self.required_affinity
            or self.required_anti_affinity
            or self.preferred_affinity
            or self.preferred_anti_affinity
        )


def pod_info(obj: Obj) -> PodInfo:
    """Parses a pod."""
    meta = obj["metadata"]
    spec = obj["spec"]
    namespace = meta.get("namespace", "")
    labels = meta.get("labels") or {}
    affinity = spec.get("affinity") or {}
    node_affinity = affinity.get("nodeAffinity") or {}
    required = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    pod_affinity = affinity.get("podAffinity") or {}
    pod_anti_affinity = affinity.get("podAntiAffinity") or {}
    requests = request_amounts(pods.requests(obj))
    containers = spec.get("containers") or ()
    nonzero_cpu, nonzero_memory = _nonzero(requests, containers)
    return PodInfo(
        obj=obj,
        uid=meta.get("uid", ""),
        namespace=namespace,
        name=meta.get("name", ""),
        labels=labels,
        priority=int(spec.get("priority") or 0),
        requests=requests,
        nonzero_cpu=nonzero_cpu,
        nonzero_memory=nonzero_memory,
        host_ports=_host_ports(spec),
        tolerations=tuple(spec.get("tolerations") or ()),
        node_selector=spec.get("nodeSelector") or {},
        required_node_affinity=node_selector.compile_selector(required) if required else None,
        preferred_node_affinity=tuple(
            (int(item.get("weight") or 0), node_selector.compile_terms([item.get("preference") or {}]))
            for item in node_affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ),
        required_affinity=_required(pod_affinity, namespace, labels),
        required_anti_affinity=_required(pod_anti_affinity, namespace, labels),
        preferred_affinity=_preferred(pod_affinity, namespace, labels),
        preferred_anti_affinity=_preferred(pod_anti_affinity, namespace, labels),
        images=tuple(c.get("image") or "" for c in (*(spec.get("initContainers") or ()), *containers)),
        claims=_claims(meta.get("name", ""), spec),
        node_name=spec.get("nodeName") or "",
    )


def _nonzero(requests: dict[str, int], containers: Any) -> tuple[int, int]:
    """CPU and memory with a default for each container that asks for none."""
    cpu, memory = requests.get("cpu", 0), requests.get("memory", 0)
    for container in containers:
        asked = (container.get("resources") or {}).get("requests") or {}
        if "cpu" not in asked:
            cpu += DEFAULT_MILLI_CPU
        if "memory" not in asked:
            memory += DEFAULT_MEMORY
    return cpu, memory


def _host_ports(spec: dict[str, Any]) -> tuple[tuple[str, str, int], ...]:
    # Only restartable init containers hold their ports beside the containers (KEP-753).
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return tuple(
        (port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", int(port["hostPort"]))
        for container in (*sidecars, *(spec.get("containers") or ()))
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def _claims(pod_name: str, spec: dict[str, Any]) -> tuple[str, ...]:
    names = []
    for volume in spec.get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            names.append(str(claim.get("claimName")))
        elif "ephemeral" in volume:
            names.append(f"{pod_name}-{volume['name']}")
    return tuple(names)


def _term(term: dict[str, Any], namespace: str, labels: dict[str, str], weight: int) -> AffinityTerm:
    raw = term.get("labelSelector")
    if raw is not None and (term.get("matchLabelKeys") or term.get("mismatchLabelKeys")):
        # The API server merges these keys into the selector at creation; done again
        # here it changes nothing, and serves objects of servers that do not.
        raw = _with_label_keys(raw, term, labels)
    raw_namespaces = term.get("namespaceSelector")
    namespaces = frozenset(term.get("namespaces") or ())
    if not namespaces and raw_namespaces is None:
        namespaces = frozenset((namespace,))
    return AffinityTerm(
        selector=selectors.from_label_selector(raw) if raw is not None else None,
        namespaces=namespaces,
        namespace_selector=selectors.from_label_selector(raw_namespaces) if raw_namespaces is not None else None,
        topology_key=term.get("topologyKey") or "",
        weight=weight,
    )


def _with_label_keys(selector: dict[str, Any], term: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    expressions = list(selector.get("matchExpressions") or ())
    for field_name, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in term.get(field_name) or ():
            if key in labels:
                expression = {"key": key, "operator": operator, "values": [labels[key]]}
                if expression not in expressions:
                    expressions.append(expression)
    return {**selector, "matchExpressions": expressions}


def _required(affinity: dict[str, Any], namespace: str, labels: dict[str, str]) -> tuple[AffinityTerm, ...]:
    return tuple(
        _term(term, namespace, labels, 0)
        for term in affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    )


def _preferred(affinity: dict[str, Any], namespace: str, labels: dict[str, str]) -> tuple[AffinityTerm, ...]:
    return tuple(
        _term(item.get("podAffinityTerm") or {}, namespace, labels, int(item.get("weight") or 0))
        for item in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    )
