"""Small pods and nodes for the scheduler's tests."""

from scheduler.configuration import parse
from scheduler.pod_info import PodInfo, pod_info
from scheduler.snapshot import Snapshot

_sequence = 0


def pod(name="p", *, cpu=None, memory=None, priority=0, labels=None, namespace="default", node="", **spec) -> PodInfo:
    global _sequence
    _sequence += 1
    requests = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v is not None}
    requests.update(spec.pop("extended", {}))
    container = {"name": "c", "image": spec.pop("image", "busybox"), "resources": {"requests": requests}}
    if ports := spec.pop("ports", None):
        container["ports"] = ports
    obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}-{_sequence}",
            "labels": labels or {},
            "creationTimestamp": f"2026-01-01T00:00:{_sequence % 60:02d}Z",
            **spec.pop("metadata", {}),
        },
        "spec": {"containers": [container], "priority": priority, "nodeName": node, **spec},
        "status": spec.pop("status", {}),
    }
    return pod_info(obj)


def node(name="n1", *, cpu="4", memory="8Gi", pods="110", labels=None, taints=(), **rest):
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"taints": list(taints), **rest.get("spec", {})},
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": pods, **rest.get("extended", {})},
            "images": rest.get("images", []),
        },
    }


def snapshot(*nodes, pods=()) -> Snapshot:
    built = Snapshot(namespace_labels={"default": {}})
    for one in nodes or (node(),):
        built.set_node(one)
    for one in pods:
        built.set_pod(one, one.node_name)
    return built


PROFILE = parse({}).profiles["default-scheduler"]
