"""In-place resize: brings the limits of running containers to what the spec asks, if the node has room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelet.pod_actions import Kind, all_containers
from kubelet.pod_memory import PodMemory
from kubelet.resources.amounts import limits_to_runtime
from kubelet.resources.cgroup_tree import CgroupTree
from kubelet.restart_policy import is_sidecar
from kubelet.runtime.client import CRIClient, RuntimeServiceError
from kubelet.runtime.pod_cache import PodCache
from kubelet.runtime.pod_state import PodState
from protocols.cri import api_pb2 as pb

Obj = dict[str, Any]

RETRY = 5.0


class Resizer:
    """One instance per kubelet."""

    def __init__(
        self, client: CRIClient, cache: PodCache, tree: CgroupTree, fits: Callable[[Obj], tuple[str, str]]
    ) -> None:
        self._client = client
        self._cache = cache
        self._tree = tree
        self._fits = fits

    async def apply(self, memory: PodMemory, state: PodState) -> float | None:
        """Resize what differs; returns when to try again, if it could not be done now."""
        pod = memory.pod
        wanted = {c["name"]: c.get("resources") or {} for c in _resizable(pod)}
        if not memory.allocated:
            memory.allocated = {name: _in_force(pod, state, name, resources) for name, resources in wanted.items()}
        changed = {name for name, resources in wanted.items() if memory.allocated.get(name) != resources}
        if not changed:
            memory.resize = None
            return None
        reason, problem = self._fits(pod)
        if reason:
            memory.resize = ("PodResizePending", reason, problem)
            return RETRY if reason == "Deferred" else None
        running = [r for r in state.running if r.name in changed]
        # A parent's quota may not be below a child's: growing begins at the pod, shrinking ends there.
        self._tree.apply(pod, quiet=True)
        try:
            for record in running:
                if _wants_restart(pod, record.name, memory.allocated.get(record.name) or {}, wanted[record.name]):
                    # It comes back with the new limits; stopping it is all there is to do.
                    memory.allocated = {**memory.allocated, record.name: wanted[record.name]}
                    await self._client.stop_container(record.id, _grace(pod))
                    continue
                amounts = limits_to_runtime(wanted[record.name])
                await self._client.update_container_resources(
                    record.id,
                    pb.LinuxContainerResources(
                        cpu_period=amounts.cpu_period or 0,
                        cpu_quota=amounts.cpu_quota or -1,
                        cpu_shares=amounts.cpu_shares or 0,
                        memory_limit_in_bytes=amounts.memory_limit or 0,
                    ),
                )
        except RuntimeServiceError as error:
            memory.resize = ("PodResizeInProgress", "Error", error.message)
            return RETRY
        self._tree.apply(pod)
        memory.allocated = wanted
        memory.resize = None
        self._cache.invalidate(memory.uid)
        return 0.0


def _in_force(pod: Obj, state: PodState, name: str, wanted: Obj) -> Obj:
    """What was in force before this kubelet started: what is wanted, unless the runtime reports other limits."""
    record = state.newest(name)
    if record is None or not record.running or record.resources in {None, limits_to_runtime(wanted)}:
        return wanted
    status = pod.get("status") or {}
    for field in ("containerStatuses", "initContainerStatuses"):
        for item in status.get(field) or ():
            if item.get("name") == name and "running" in (item.get("state") or {}) and item.get("resources"):
                return dict(item["resources"])
    return wanted


def _resizable(pod: Obj) -> list[Obj]:
    return [c for c, kind in all_containers(pod) if kind is Kind.REGULAR or (kind is Kind.INIT and is_sidecar(c))]


def _wants_restart(pod: Obj, name: str, old: Obj, new: Obj) -> bool:
    """Whether a resource that changed has the resize policy RestartContainer."""
    container = next(c for c in _resizable(pod) if c["name"] == name)
    policies = {p["resourceName"]: p.get("restartPolicy") for p in container.get("resizePolicy") or ()}

    def differs(resource: str) -> bool:
        return any((old.get(k) or {}).get(resource) != (new.get(k) or {}).get(resource) for k in ("requests", "limits"))

    return any(policies.get(resource) == "RestartContainer" and differs(resource) for resource in ("cpu", "memory"))


def _grace(pod: Obj) -> float:
    seconds = pod["spec"].get("terminationGracePeriodSeconds")
    return 30.0 if seconds is None else float(seconds)
