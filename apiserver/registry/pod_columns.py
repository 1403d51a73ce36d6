"""What `kubectl get pods` shows: readiness, the one-word status, restarts."""

import datetime
from typing import Any

from apimachinery.objects.metadata import Obj
from apimachinery.objects.pods import is_sidecar
from apimachinery.objects.times import format_duration, seconds_since


def _statuses(pod: Obj, field: str) -> list[Obj]:
    return (pod.get("status") or {}).get(field) or []


def _running(status: Obj) -> bool:
    return "running" in (status.get("state") or {})


def ready(pod: Obj, now: datetime.datetime) -> str:
    """`ready/total`; sidecars count."""
    del now
    spec = pod.get("spec") or {}
    sidecars = {one["name"] for one in spec.get("initContainers") or () if is_sidecar(one)}
    total = len(spec.get("containers") or ()) + len(sidecars)
    count = sum(1 for one in _statuses(pod, "containerStatuses") if one.get("ready") and _running(one))
    count += sum(
        1
        for one in _statuses(pod, "initContainerStatuses")
        if one.get("name") in sidecars and one.get("started") and one.get("ready")
    )
    return f"{count}/{total}"


def _terminated_reason(terminated: Obj) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _initializing(pod: Obj) -> str:
    containers = (pod.get("spec") or {}).get("initContainers") or ()
    sidecars = {one["name"] for one in containers if is_sidecar(one)}
    for position, status in enumerate(_statuses(pod, "initContainerStatuses")):
        state = status.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting")
        if terminated is not None and terminated.get("exitCode") == 0:
            continue
        if status.get("name") in sidecars and status.get("started"):
            continue
        if terminated is not None:
            return f"Init:{_terminated_reason(terminated)}"
        if waiting is not None and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{position}/{len(containers)}"
    return ""


def _initialized(pod: Obj) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Initialized" and one.get("status") == "True" for one in conditions)


def status(pod: Obj, now: datetime.datetime) -> str:
    """The one-word status: a phase, or why it is not what it should be."""
    del now
    told = pod.get("status") or {}
    reason = told.get("reason") or told.get("phase") or "Unknown"
    if any(
        one.get("type") == "PodScheduled" and one.get("reason") == "SchedulingGated"
        for one in told.get("conditions") or ()
    ):
        reason = "SchedulingGated"
    initializing = _initializing(pod)
    if initializing:
        reason = initializing
    if not initializing or _initialized(pod):
        has_running = False
        for one in reversed(_statuses(pod, "containerStatuses")):
            state = one.get("state") or {}
            if (state.get("waiting") or {}).get("reason"):
                reason = state["waiting"]["reason"]
            elif "terminated" in state:
                reason = _terminated_reason(state["terminated"])
            elif one.get("ready") and "running" in state:
                has_running = True
        if reason == "Completed" and has_running:
            ready_now = any(
                one.get("type") == "Ready" and one.get("status") == "True" for one in told.get("conditions") or ()
            )
            reason = "Running" if ready_now else "NotReady"
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        if told.get("reason") == "NodeLost":
            return "Unknown"
        if told.get("phase") not in ("Succeeded", "Failed"):
            return "Terminating"
    return str(reason)


def restarts(pod: Obj, now: datetime.datetime) -> str:
    """The number of restarts, and when the last was."""
    count = 0
    last = ""
    sidecars = {one["name"] for one in (pod.get("spec") or {}).get("initContainers") or () if is_sidecar(one)}
    initializing = bool(_initializing(pod)) and not _initialized(pod)
    rows = [one for one in _statuses(pod, "initContainerStatuses") if initializing or one.get("name") in sidecars]
    if not initializing:
        rows.extend(_statuses(pod, "containerStatuses"))
    for one in rows:
        count += one.get("restartCount") or 0
        finished = ((one.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
        if finished and finished > last:
            last = finished
    if count and last:
        return f"{count} ({format_duration(seconds_since(last, now))} ago)"
    return str(count)


def address(pod: Obj, now: datetime.datetime) -> str:
    """The pod's IP."""
    del now
    told = pod.get("status") or {}
    ips = told.get("podIPs") or ()
    return str((ips[0].get("ip") if ips else told.get("podIP")) or "<none>")


def gates(pod: Obj, now: datetime.datetime) -> str:
    """How many readiness gates are open."""
    del now
    wanted: list[Any] = (pod.get("spec") or {}).get("readinessGates") or []
    if not wanted:
        return "<none>"
    true = {one.get("type") for one in (pod.get("status") or {}).get("conditions") or () if one.get("status") == "True"}
    return f"{sum(1 for one in wanted if one.get('conditionType') in true)}/{len(wanted)}"
