"""Pure: PodStatus from spec and runtime state, exactly as upstream's kubelet publishes it.

`generate` is the only way a status comes about; `kubelet.status.writer` sends it. Clock readings come in through
`Facts.now`.
"""

from __future__ import annotations

from typing import Any

from kubelet.pod_actions import Kind, containers_of, host_network
from kubelet.restart_policy import is_sidecar, restarts
from kubelet.runtime.pod_state import PodState
from kubelet.status import conditions
from kubelet.status.container_statuses import Facts, build

Obj = dict[str, Any]

ZERO_CODE = 0


def qos_class(pod: Obj) -> str:
    """Guaranteed, Burstable or BestEffort."""
    from apimachinery.objects import pods  # floor 1's one definition

    return str(pods.qos_class(pod))


def phase_of(pod: Obj, regular: list[Obj], inits: list[Obj], *, terminal: bool) -> str:
    """The pod's phase from its container statuses; `terminal` says that the kubelet has ended the pod."""
    waiting_init = _init_phase(pod, inits)
    counts = {"unknown": 0, "running": 0, "waiting": 0, "stopped": 0, "succeeded": 0}
    coming_back = 0
    specs = {c["name"]: c for c in containers_of(pod, Kind.REGULAR)}
    for status in regular:
        counts_key, back = _classify(pod, specs[status["name"]], status)
        counts[counts_key] += 1
        coming_back += back
        if counts_key == "stopped" and _exit_code(status) == ZERO_CODE:
            counts["succeeded"] += 1
    if waiting_init == "failed" and not counts["running"]:
        return "Failed"
    if waiting_init == "pending" and not terminal and not counts["running"] and not counts["stopped"]:
        return "Pending"
    if counts["waiting"] and not terminal:
        return "Pending"
    if counts["running"] and not counts["unknown"]:
        return "Running"
    if counts["stopped"] and not counts["running"] and not counts["waiting"]:
        if coming_back and not terminal:
            return "Running"
        return "Succeeded" if counts["stopped"] == counts["succeeded"] else "Failed"
    return "Failed" if terminal else "Pending"


def _exit_code(status: Obj) -> int:
    state = (status.get("state") or {}).get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    return int(state.get("exitCode") or 0)


def _classify(pod: Obj, container: Obj, status: Obj) -> tuple[str, int]:
    state = status.get("state") or {}
    if "running" in state:
        return "running", 0
    if "terminated" in state:
        return "stopped", int(restarts(pod, container, int(state["terminated"].get("exitCode") or 0)))
    if (status.get("lastState") or {}).get("terminated"):
        # Waits for its next start (back-off): counts as stopped, upstream keeps such a pod Running.
        return "stopped", 1
    return "waiting", 0


def _init_phase(pod: Obj, inits: list[Obj]) -> str:
    by_name = {s["name"]: s for s in inits}
    for container in containers_of(pod, Kind.INIT):
        status = by_name.get(container["name"])
        if status is None:
            return "pending"
        if is_sidecar(container):
            if not status.get("started"):
                return "pending"
            continue
        terminated = (status.get("state") or {}).get("terminated")
        if terminated is None:
            return "pending"
        code = int(terminated.get("exitCode") or 0)
        if code != 0:
            policy = container.get("restartPolicy") or pod["spec"].get("restartPolicy")
            return "failed" if policy == "Never" else "pending"
    return "done"


def generate(
    pod: Obj, state: PodState, facts: Facts, *, terminal: bool = False, reason: str = "", message: str = ""
) -> Obj:
    """The status to publish now.

    Args:
        pod: The API object, with its current status.
        state: What the runtime reports.
        facts: Probe verdicts, start failures, addresses, time.
        terminal: The kubelet has stopped the pod for good.
        reason: Why it did so (Evicted, DeadlineExceeded, ...); then the phase is Failed.
        message: Goes with the reason.
    """
    old: Obj = pod.get("status") or {}
    regular = build(pod, state, facts, Kind.REGULAR)
    inits = build(pod, state, facts, Kind.INIT)
    if terminal:
        begun = any("waiting" not in item["state"] or item["lastState"] for item in regular)
        for item in [*regular, *inits]:
            _end_waiting(item, initialized=begun)
    phase = phase_of(pod, regular, inits, terminal=terminal)
    if reason or old.get("phase") == "Failed":
        phase = "Failed"
    elif old.get("phase") == "Succeeded":
        phase = "Succeeded"
    status: Obj = {"phase": phase, "qosClass": old.get("qosClass") or qos_class(pod)}
    for key, value in (("reason", reason or old.get("reason")), ("message", message or old.get("message"))):
        if value and phase == "Failed":
            status[key] = value
    status["startTime"] = old.get("startTime") or facts.now
    _addresses(status, pod, state, facts, old)
    generation = (pod.get("metadata") or {}).get("generation")
    status["conditions"] = conditions.merge(
        old.get("conditions") or [],
        _conditions(pod, state, facts, regular, inits, phase),
        facts.now,
        generation,
    )
    if generation is not None:
        status["observedGeneration"] = generation
    if inits:
        status["initContainerStatuses"] = inits
    status["containerStatuses"] = regular
    ephemeral = build(pod, state, facts, Kind.EPHEMERAL)
    if ephemeral:
        status["ephemeralContainerStatuses"] = ephemeral
    for key in ("nominatedNodeName", "resourceClaimStatuses", "extendedResourceClaimStatus"):
        if key in old:
            status[key] = old[key]
    return status


def _conditions(pod: Obj, state: PodState, facts: Facts, regular: list[Obj], inits: list[Obj], phase: str) -> list[Obj]:
    sandbox = state.ready_sandbox
    has_network = sandbox is not None and (sandbox.host_network or bool(sandbox.ips))
    inner = conditions.containers_ready(pod, regular, inits, phase)
    fresh = [
        conditions.ready_to_start(has_sandbox=has_network),
        conditions.initialized(pod, inits, regular, phase),
        conditions.ready(pod, inner, (pod.get("status") or {}).get("conditions") or []),
        inner,
        {"type": "PodScheduled", "status": "True"},
    ]
    if facts.resize is not None:
        kind, reason, message = facts.resize
        fresh.append({"type": kind, "status": "True", "reason": reason, "message": message})
    return fresh


def _addresses(status: Obj, pod: Obj, state: PodState, facts: Facts, old: Obj) -> None:
    if facts.host_ips:
        status["hostIP"] = facts.host_ips[0]
        status["hostIPs"] = [{"ip": ip} for ip in facts.host_ips]
    sandbox = state.ready_sandbox
    if host_network(pod):
        ips: tuple[str, ...] = facts.host_ips
    elif sandbox is not None:
        ips = sandbox.ips
    else:
        ips = tuple(item["ip"] for item in old.get("podIPs") or ())
    if ips:
        status["podIP"] = ips[0]
        status["podIPs"] = [{"ip": ip} for ip in ips]


def _end_waiting(status: Obj, *, initialized: bool) -> None:
    """A container of an ended pod never waits: its last run is its state, or, once the pod had begun, it is lost."""
    if "waiting" not in (status.get("state") or {}):
        return
    last = (status.get("lastState") or {}).get("terminated")
    if last:
        status["state"], status["lastState"] = {"terminated": last}, {}
    elif initialized:
        status["state"] = {
            "terminated": {
                "reason": "ContainerStatusUnknown",
                "message": "The container could not be located when the pod was terminated",
                "exitCode": 137,
                "startedAt": None,
                "finishedAt": None,
            }
        }


def rejected(pod: Obj, reason: str, message: str, now: str) -> Obj:
    """The status of a pod that was never admitted."""
    old: Obj = pod.get("status") or {}
    return {
        **old,
        "phase": "Failed",
        "qosClass": old.get("qosClass") or qos_class(pod),
        "reason": reason,
        "message": message,
        "startTime": old.get("startTime") or now,
    }
