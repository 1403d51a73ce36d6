"""Pure: one ContainerStatus per container of the spec, from the runtime's records and what the kubelet knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubelet.pod_actions import Kind, containers_of
from kubelet.restart_policy import is_sidecar
from kubelet.runtime.pod_state import ContainerRecord, ContainerResources, Phase, PodState

Obj = dict[str, Any]

FIELD_OF = {
    Kind.INIT: "initContainerStatuses",
    Kind.REGULAR: "containerStatuses",
    Kind.EPHEMERAL: "ephemeralContainerStatuses",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the kubelet knows beside the runtime's records."""

    runtime_name: str = "cri-o"
    failures: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Container name -> (reason, message) of why it is not started."""
    ready: frozenset[str] = frozenset()
    """IDs of running containers that pass (or lack) a readiness probe."""
    started: frozenset[str] = frozenset()
    """IDs of running containers that pass (or lack) a startup probe."""
    host_ips: tuple[str, ...] = ()
    now: str = ""
    allocated: dict[str, Obj] = field(default_factory=dict)
    """Container name -> resources the kubelet has admitted."""
    resize: tuple[str, str, str] | None = None
    """(condition type, reason, message) of a resize under way."""


def stamp(ns: int) -> str | None:
    """RFC 3339 with whole seconds, as metav1.Time; None for unset."""
    if ns <= 0:
        return None
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build(pod: Obj, state: PodState, facts: Facts, kind: Kind) -> list[Obj]:
    """The statuses of one list, in the order of the spec."""
    old = {s["name"]: s for s in (pod.get("status") or {}).get(FIELD_OF[kind]) or () if "name" in s}
    waiting = "PodInitializing" if containers_of(pod, Kind.INIT) and kind is not Kind.EPHEMERAL else "ContainerCreating"
    return [_one(state, facts, c, kind, old.get(c["name"]), waiting) for c in containers_of(pod, kind)]


def _one(state: PodState, facts: Facts, container: Obj, kind: Kind, old: Obj | None, waiting: str) -> Obj:
    name = container["name"]
    record = state.newest(name)
    if record is None:
        return _never_ran(container, facts, old, waiting)
    previous = state.previous(name)
    status: Obj = {
        "name": name,
        "state": _state(record, facts.runtime_name),
        "lastState": _last_state(record, previous, old, facts.runtime_name),
        "ready": False,
        "restartCount": max(record.restart_count, record.attempt),
        "image": record.image or container.get("image", ""),
        "imageID": record.image_id,
        "containerID": f"{facts.runtime_name}://{record.id}",
    }
    _fill_running(status, container, record, facts, kind)
    failure = facts.failures.get(name)
    if failure and not record.running:
        # The incarnation that ran becomes lastState; what hinders the next one is the state.
        if record.exited:
            status["lastState"] = _state(record, facts.runtime_name)
        status["state"] = {"waiting": _reason(*failure)}
    elif record.phase is Phase.CREATED:
        status["state"] = {"waiting": {"reason": waiting}}
    _fill_resources(status, container, record, facts, kind)
    _fill_user_and_mounts(status, container, record)
    return status


def _never_ran(container: Obj, facts: Facts, old: Obj | None, waiting: str) -> Obj:
    failure = facts.failures.get(container["name"])
    state: Obj = {"waiting": _reason(*failure) if failure else {"reason": waiting}}
    if failure is None and old and (old.get("state") or {}).get("terminated") and old.get("containerID"):
        # Its records were collected: what has been published stays true.
        return dict(old)
    last: Obj = (old or {}).get("lastState") or {}
    return {
        "name": container["name"],
        "state": state,
        "lastState": last,
        "ready": False,
        "restartCount": int((old or {}).get("restartCount") or 0),
        "image": container.get("image", ""),
        "imageID": "",
        "started": False,
        **({"volumeMounts": _mounts(container)} if _mounts(container) else {}),
    }


def _reason(reason: str, message: str) -> Obj:
    return {"reason": reason, "message": message} if message else {"reason": reason}


def _state(record: ContainerRecord, runtime: str) -> Obj:
    if record.phase is Phase.RUNNING:
        return {"running": {"startedAt": stamp(record.started_at)}}
    if record.phase is Phase.EXITED:
        return {"terminated": terminated(record, runtime)}
    if record.phase is Phase.UNKNOWN:
        return {
            "terminated": {
                "reason": "ContainerStatusUnknown",
                "message": "The container could not be located when the pod was terminated",
                "exitCode": 137,
                "startedAt": None,
                "finishedAt": None,
            }
        }
    return {"waiting": {"reason": "ContainerCreating"}}


def terminated(record: ContainerRecord, runtime: str) -> Obj:
    """ContainerStateTerminated of an exited record."""
    result: Obj = {
        "exitCode": record.exit_code,
        "reason": record.reason or ("Completed" if record.exit_code == 0 else "Error"),
        "startedAt": stamp(record.started_at),
        "finishedAt": stamp(record.finished_at),
        "containerID": f"{runtime}://{record.id}",
    }
    if record.message:
        result["message"] = record.message
    return result


def _last_state(record: ContainerRecord, previous: ContainerRecord | None, old: Obj | None, runtime: str) -> Obj:
    if previous is not None and previous.exited:
        return {"terminated": terminated(previous, runtime)}
    if old and old.get("restartCount") == max(record.restart_count, record.attempt):
        return dict(old.get("lastState") or {})
    if old and record.attempt > 0 and (old.get("state") or {}).get("terminated"):
        return dict(old["state"])
    return {}


def _fill_running(status: Obj, container: Obj, record: ContainerRecord, facts: Facts, kind: Kind) -> None:
    started = record.running and record.id in facts.started
    if kind is Kind.EPHEMERAL:
        return
    if kind is Kind.INIT and not is_sidecar(container):
        status["started"] = started
        status["ready"] = record.exited and record.exit_code == 0
        return
    status["started"] = started
    status["ready"] = started and record.id in facts.ready


def _fill_resources(status: Obj, container: Obj, record: ContainerRecord, facts: Facts, kind: Kind) -> None:
    if kind is Kind.EPHEMERAL or (kind is Kind.INIT and not is_sidecar(container)):
        resources = container.get("resources") or {}
        if resources and record.running:
            status["resources"] = resources
        return
    wanted = facts.allocated.get(container["name"]) or container.get("resources") or {}
    requests = wanted.get("requests") or {}
    if requests:
        status["allocatedResources"] = dict(requests)
    applied = actual_resources(wanted, record.resources) if record.running else wanted
    status["resources"] = {k: v for k, v in applied.items() if k in {"limits", "requests"} and v}


def actual_resources(wanted: Obj, applied: ContainerResources | None) -> Obj:
    """The resources in force: the admitted ones, corrected by what the runtime reports."""
    from kubelet.resources.amounts import limits_to_runtime, reported_quantity  # pure; avoids a cycle at import

    if applied is None:
        return wanted
    result = {key: dict(wanted.get(key) or {}) for key in ("limits", "requests")}
    target = limits_to_runtime(wanted)
    for resource, kind, value, asked in (
        ("cpu", "limits", applied.cpu_quota, target.cpu_quota),
        ("cpu", "requests", applied.cpu_shares, target.cpu_shares),
        ("memory", "limits", applied.memory_limit, target.memory_limit),
    ):
        if value is None or value == asked or (not value and not asked):
            continue
        shown = reported_quantity(resource, kind, value, applied)
        if shown and resource in result[kind]:
            result[kind][resource] = shown
    return result


def _mounts(container: Obj) -> list[Obj]:
    found = []
    for mount in container.get("volumeMounts") or ():
        item = {"name": mount["name"], "mountPath": mount["mountPath"]}
        if mount.get("readOnly"):
            item["readOnly"] = True
            item["recursiveReadOnly"] = "Disabled" if not mount.get("recursiveReadOnly") else mount["recursiveReadOnly"]
        found.append(item)
    return found


def _fill_user_and_mounts(status: Obj, container: Obj, record: ContainerRecord) -> None:
    mounts = _mounts(container)
    if mounts:
        status["volumeMounts"] = mounts
    if record.user is not None and record.running:
        status["user"] = {
            "linux": {
                "uid": record.user.uid,
                "gid": record.user.gid,
                "supplementalGroups": list(record.user.groups),
            }
        }
