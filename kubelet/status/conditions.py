"""Pure: the pod conditions the kubelet owns, with upstream's reasons and messages."""

from __future__ import annotations

from typing import Any

from kubelet.pod_actions import Kind, containers_of
from kubelet.restart_policy import is_sidecar

Obj = dict[str, Any]

OWNED = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
    "PodResizePending",
    "PodResizeInProgress",
    "AllContainersRestarting",
)


def _condition(kind: str, reason: str = "", message: str = "") -> Obj:
    result: Obj = {"type": kind, "status": "False" if reason else "True"}
    if reason and reason != "-":
        result["reason"] = reason
    if message:
        result["message"] = message
    return result


def ready_to_start(*, has_sandbox: bool) -> Obj:
    """PodReadyToStartContainers: a sandbox with network exists."""
    return _condition("PodReadyToStartContainers", "" if has_sandbox else "-")


def initialized(pod: Obj, init_statuses: list[Obj], regular: list[Obj], phase: str) -> Obj:
    """Initialized: all init containers have completed, sidecars have started."""
    if phase == "Succeeded":
        return _condition("Initialized", "PodCompleted") | {"status": "True"}
    by_name = {s["name"]: s for s in init_statuses}
    inits = containers_of(pod, Kind.INIT)
    unknown = [c["name"] for c in inits if c["name"] not in by_name]
    incomplete = [c["name"] for c in inits if c["name"] in by_name and not _init_done(c, by_name[c["name"]])]
    if any("running" in (s.get("state") or {}) or "terminated" in (s.get("state") or {}) for s in regular):
        # Once initialized a pod stays so, even while a sidecar restarts.
        return _condition("Initialized")
    if not unknown and not incomplete:
        return _condition("Initialized")
    parts = []
    if unknown:
        parts.append(f"containers with unknown status: [{' '.join(unknown)}]")
    if incomplete:
        parts.append(f"containers with incomplete status: [{' '.join(incomplete)}]")
    return _condition("Initialized", "ContainersNotInitialized", ", ".join(parts))


def _init_done(container: Obj, status: Obj) -> bool:
    if is_sidecar(container):
        return bool(status.get("started"))
    return bool(status.get("ready"))


def containers_ready(pod: Obj, statuses: list[Obj], init_statuses: list[Obj], phase: str) -> Obj:
    """ContainersReady."""
    if phase == "Failed":
        return _condition("ContainersReady", "PodFailed")
    by_name = {s["name"]: s for s in [*statuses, *init_statuses]}
    wanted = [c["name"] for c in containers_of(pod, Kind.INIT) if is_sidecar(c)]
    wanted += [c["name"] for c in containers_of(pod, Kind.REGULAR)]
    if phase == "Succeeded":
        return _condition("ContainersReady", "PodCompleted")
    unready = [name for name in wanted if name in by_name and not by_name[name].get("ready")]
    unknown = [name for name in wanted if name not in by_name]
    if not unready and not unknown:
        return _condition("ContainersReady")
    parts = []
    if unknown:
        parts.append(f"containers with unknown status: [{' '.join(unknown)}]")
    if unready:
        parts.append(f"containers with unready status: [{' '.join(unready)}]")
    return _condition("ContainersReady", "ContainersNotReady", ", ".join(parts))


def ready(pod: Obj, containers: Obj, existing: list[Obj]) -> Obj:
    """Ready: ContainersReady and every readiness gate."""
    if containers["status"] != "True":
        return {**containers, "type": "Ready"}
    have = {c["type"]: c.get("status") for c in existing}
    messages = []
    for gate in pod["spec"].get("readinessGates") or ():
        kind = gate["conditionType"]
        if kind not in have:
            messages.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif have[kind] != "True":
            messages.append(f'the status of pod readiness gate "{kind}" is not "True", but {have[kind]}')
    if messages:
        return _condition("Ready", "ReadinessGatesNotReady", ", ".join(messages))
    return _condition("Ready")


def merge(existing: list[Obj], fresh: list[Obj], now: str, generation: int | None) -> list[Obj]:
    """Fresh conditions with transition times carried over; foreign conditions stay; owned ones that ceased are
    dropped.
    """
    old = {c["type"]: c for c in existing}
    result = []
    for condition in fresh:
        before = old.get(condition["type"])
        same = before is not None and before.get("status") == condition["status"]
        item = {
            "type": condition["type"],
            "status": condition["status"],
            "lastProbeTime": None,
            "lastTransitionTime": before.get("lastTransitionTime") if same and before else now,
        }
        for key in ("reason", "message"):
            if condition.get(key):
                item[key] = condition[key]
        if generation is not None:
            item["observedGeneration"] = generation
        result.append(item)
    kinds = {c["type"] for c in fresh}
    result += [c for c in existing if c["type"] not in kinds and c["type"] not in OWNED]
    return result
