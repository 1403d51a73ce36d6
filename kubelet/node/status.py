"""Pure: NodeStatus from the machine's facts and the runtime's condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubelet.resources.amounts import milli, whole

Obj = dict[str, Any]

MAX_IMAGES = 50
MAX_NAMES = 5


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """All a status is made of."""

    name: str
    addresses: tuple[str, ...]
    port: int
    cpus: int
    memory: int
    disk: int
    max_pods: int
    reserved: dict[str, str]
    eviction_memory: int
    eviction_disk: int
    system_info: Obj
    images: tuple[Obj, ...]
    handlers: tuple[Obj, ...]
    features: Obj
    not_ready: str
    """Why the node is not ready; empty = ready."""
    memory_pressure: bool = False
    disk_pressure: bool = False


def capacity(facts: NodeFacts) -> dict[str, str]:
    """status.capacity."""
    return {
        "cpu": str(facts.cpus),
        "ephemeral-storage": f"{facts.disk // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{facts.memory // 1024}Ki",
        "pods": str(facts.max_pods),
    }


def allocatable(facts: NodeFacts) -> dict[str, str]:
    """Capacity minus what is reserved and what eviction keeps free."""
    result = capacity(facts)
    cpu = facts.cpus * 1000 - milli(facts.reserved.get("cpu"))
    result["cpu"] = str(cpu // 1000) if cpu % 1000 == 0 else f"{cpu}m"
    memory = facts.memory - whole(facts.reserved.get("memory")) - facts.eviction_memory
    result["memory"] = f"{memory // 1024}Ki"
    result["ephemeral-storage"] = str(facts.disk - whole(facts.reserved.get("ephemeral-storage")) - facts.eviction_disk)
    return result


_CONDITIONS = (
    (
        "MemoryPressure",
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
        "KubeletHasInsufficientMemory",
        "kubelet has insufficient memory available",
    ),
    (
        "DiskPressure",
        "KubeletHasNoDiskPressure",
        "kubelet has no disk pressure",
        "KubeletHasDiskPressure",
        "kubelet has disk pressure",
    ),
    (
        "PIDPressure",
        "KubeletHasSufficientPID",
        "kubelet has sufficient PID available",
        "KubeletHasInsufficientPID",
        "kubelet has insufficient PID available",
    ),
)


def conditions(facts: NodeFacts, existing: list[Obj], now: str) -> list[Obj]:
    """The four node conditions; heartbeat now, transition time kept."""
    pressure = {"MemoryPressure": facts.memory_pressure, "DiskPressure": facts.disk_pressure}
    rows = []
    for kind, good, good_text, bad, bad_text in _CONDITIONS:
        on = pressure.get(kind, False)
        rows.append((kind, "True" if on else "False", bad if on else good, bad_text if on else good_text))
    if facts.not_ready:
        rows.append(("Ready", "False", "KubeletNotReady", facts.not_ready))
    else:
        rows.append(("Ready", "True", "KubeletReady", "kubelet is posting ready status"))
    old = {c["type"]: c for c in existing}
    result = []
    for kind, status, reason, message in rows:
        before = old.get(kind)
        kept = before is not None and before.get("status") == status
        result.append(
            {
                "type": kind,
                "status": status,
                "lastHeartbeatTime": now,
                "lastTransitionTime": before.get("lastTransitionTime") if kept and before else now,
                "reason": reason,
                "message": message,
            }
        )
    return result


def foreign(status: Obj) -> dict[str, str]:
    """The extended resources that somebody else put into the capacity (`example.com/dongle`)."""
    return {key: value for key, value in (status.get("capacity") or {}).items() if "/" in key}


def node_status(facts: NodeFacts, old: Obj, now: str) -> Obj:
    """The whole status."""
    addresses = [{"type": "InternalIP", "address": ip} for ip in facts.addresses]
    addresses.append({"type": "Hostname", "address": facts.name})
    return {
        "addresses": addresses,
        "allocatable": {**allocatable(facts), **foreign(old)},
        "capacity": {**capacity(facts), **foreign(old)},
        "conditions": conditions(facts, old.get("conditions") or [], now),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": facts.port}},
        "images": list(facts.images),
        "nodeInfo": facts.system_info,
        "runtimeHandlers": list(facts.handlers),
        "features": facts.features,
    }


def image_list(images: list[Any]) -> tuple[Obj, ...]:
    """status.images: the biggest fifty."""
    rows: list[Obj] = [
        {"names": [*i.repo_digests, *i.repo_tags][:MAX_NAMES], "sizeBytes": int(i.size)}
        for i in images
        if i.repo_digests or i.repo_tags
    ]
    return tuple(sorted(rows, key=lambda row: -row["sizeBytes"])[:MAX_IMAGES])


def differs(old: Obj, new: Obj) -> bool:
    """Whether anything but heartbeats changed."""
    return _without_heartbeat(old) != _without_heartbeat(new)


def _without_heartbeat(status: Obj) -> Obj:
    own = {"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"}
    result = {
        k: status.get(k) for k in ("addresses", "allocatable", "capacity", "daemonEndpoints", "nodeInfo", "images")
    }
    result["conditions"] = [
        {k: v for k, v in c.items() if k != "lastHeartbeatTime"}
        for c in status.get("conditions") or ()
        if c["type"] in own
    ]
    return result
