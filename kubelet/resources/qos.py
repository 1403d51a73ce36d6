"""Pure: QoS class consequences: OOM score and cgroup names."""

from __future__ import annotations

from typing import Any

from apimachinery.objects import pods
from kubelet.resources.amounts import container_requests, pod_requests

Obj = dict[str, Any]

CRITICAL_OOM_SCORE = -997
BEST_EFFORT_OOM_SCORE = 1000
CRITICAL_PRIORITY = 2_000_000_000


def qos_class(pod: Obj) -> str:
    """The published class if there is one (it never changes), else the computed one."""
    return str((pod.get("status") or {}).get("qosClass") or pods.qos_class(pod))


def is_critical(pod: Obj) -> bool:
    """Static pods, mirror pods and system priorities."""
    annotations = pod["metadata"].get("annotations") or {}
    if (
        annotations.get("kubernetes.io/config.source") not in {None, "api"}
        or "kubernetes.io/config.mirror" in annotations
    ):
        return True
    return int(pod["spec"].get("priority") or 0) >= CRITICAL_PRIORITY


def oom_score_adjust(pod: Obj, container: Obj, node_memory: int) -> int:
    """oom_score_adj by upstream's formula."""
    if is_critical(pod):
        return CRITICAL_OOM_SCORE
    qos = qos_class(pod)
    if qos == "Guaranteed":
        return CRITICAL_OOM_SCORE
    if qos == "BestEffort" or node_memory <= 0:
        return BEST_EFFORT_OOM_SCORE
    request = container_requests(container).get("memory", 0)
    adjust = 1000 - (1000 * request) // node_memory
    if adjust < 1000 + CRITICAL_OOM_SCORE:
        return 1000 + CRITICAL_OOM_SCORE
    return BEST_EFFORT_OOM_SCORE - 1 if adjust == BEST_EFFORT_OOM_SCORE else adjust


def pod_limits(pod: Obj) -> dict[str, int]:
    """Sum of limits where every container has one, per resource (cpu in milli)."""
    spec = pod["spec"]
    containers = [
        *spec["containers"],
        *(c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"),
    ]
    result: dict[str, int] = {}
    from kubelet.resources.amounts import container_limits

    for key in ("cpu", "memory"):
        amounts = [container_limits(c).get(key, 0) for c in containers]
        if all(amounts):
            result[key] = sum(amounts)
    return result


def pod_shares_milli(pod: Obj) -> int:
    """CPU request of the whole pod in milli."""
    return pod_requests(pod).get("cpu", 0)
