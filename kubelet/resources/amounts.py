"""Pure: Kubernetes resource quantities to the kernel's numbers and back (shares, quota, bytes)."""

from __future__ import annotations

from decimal import ROUND_CEILING
from typing import Any

from apimachinery.objects.quantity import parse_quantity
from kubelet.runtime.pod_state import ContainerResources

Obj = dict[str, Any]

MIN_SHARES = 2
MAX_SHARES = 262144
QUOTA_PERIOD = 100_000
MIN_QUOTA = 1_000


def milli(value: Any) -> int:
    """CPU quantity in thousandths, rounded up."""
    return int((parse_quantity(str(value)) * 1000).to_integral_value(ROUND_CEILING)) if value is not None else 0


def whole(value: Any) -> int:
    """Any quantity in whole units, rounded up."""
    return int(parse_quantity(str(value)).to_integral_value(ROUND_CEILING)) if value is not None else 0


def milli_to_shares(cpu: int) -> int:
    """CPU request in milli to cgroup v1 shares."""
    return MIN_SHARES if cpu == 0 else max(MIN_SHARES, min(MAX_SHARES, cpu * 1024 // 1000))


def milli_to_quota(cpu: int, period: int = QUOTA_PERIOD) -> int:
    """CPU limit in milli to CFS quota; 0 = no limit."""
    return 0 if cpu == 0 else max(MIN_QUOTA, cpu * period // 1000)


def shares_to_milli(shares: int) -> int:
    """Inverse of `milli_to_shares`, rounded up as upstream does."""
    return 0 if shares <= MIN_SHARES else -(-shares * 1000 // 1024)


def limits_to_runtime(resources: Obj) -> ContainerResources:
    """Requests and limits of one container in the runtime's terms."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    cpu_limit = milli(limits.get("cpu"))
    cpu_request = milli(requests.get("cpu")) if "cpu" in requests else cpu_limit
    return ContainerResources(
        cpu_shares=milli_to_shares(cpu_request),
        cpu_quota=milli_to_quota(cpu_limit),
        cpu_period=QUOTA_PERIOD,
        memory_limit=whole(limits.get("memory")),
    )


def reported_quantity(resource: str, kind: str, value: int, applied: ContainerResources) -> str:
    """A value reported by the runtime as a quantity string; empty if it says "unlimited"."""
    if value <= 0:
        return ""
    if resource == "memory":
        return str(value)
    if kind == "requests":
        return f"{shares_to_milli(value)}m"
    return f"{value * 1000 // (applied.cpu_period or QUOTA_PERIOD)}m"


def container_requests(container: Obj) -> dict[str, int]:
    """Requests of one container: cpu in milli, the rest in units."""
    requests = (container.get("resources") or {}).get("requests") or {}
    return {k: milli(v) if k == "cpu" else whole(v) for k, v in requests.items()}


def container_limits(container: Obj) -> dict[str, int]:
    """Limits of one container: cpu in milli, the rest in units."""
    limits = (container.get("resources") or {}).get("limits") or {}
    return {k: milli(v) if k == "cpu" else whole(v) for k, v in limits.items()}


def pod_requests(pod: Obj) -> dict[str, int]:
    """What a pod asks of the node: max(sum of containers + sidecars, each init container with the sidecars before it)
    + overhead.
    """
    spec = pod["spec"]
    total: dict[str, int] = {}
    for container in spec.get("containers") or ():
        _add(total, container_requests(container))
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        wanted = container_requests(container)
        if container.get("restartPolicy") == "Always":
            _add(total, wanted)
            _add(sidecars, wanted)
            _max(peak, sidecars)
        else:
            both = dict(sidecars)
            _add(both, wanted)
            _max(peak, both)
    _max(total, peak)
    pod_level = (spec.get("resources") or {}).get("requests") or {}
    for key, value in pod_level.items():
        total[key] = milli(value) if key == "cpu" else whole(value)
    for key, value in (spec.get("overhead") or {}).items():
        _add(total, {key: milli(value) if key == "cpu" else whole(value)})
    return total


def _add(total: dict[str, int], more: dict[str, int]) -> None:
    for key, value in more.items():
        total[key] = total.get(key, 0) + value


def _max(total: dict[str, int], other: dict[str, int]) -> None:
    for key, value in other.items():
        total[key] = max(total.get(key, 0), value)
