"""Puts the facts together that a PodStatus is generated from, and hands the result to the writer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from component.clock import Clock
from kubelet.pod_memory import PodMemory
from kubelet.prober.probes import Probes
from kubelet.runtime.pod_state import PodState
from kubelet.start_error import PodSyncError
from kubelet.status.container_statuses import Facts
from kubelet.status.generate import generate, rejected
from kubelet.status.writer import StatusWriter

Obj = dict[str, Any]


@dataclass(slots=True)
class PodStatuses:
    """One instance per kubelet."""

    writer: StatusWriter
    probes: Probes
    clock: Clock
    host_ips: tuple[str, ...]
    read: Callable[[str, str, str | None], Awaitable[Obj]]
    runtime_name: str = "cri-o"

    def build(self, memory: PodMemory, state: PodState, *, terminal: bool = False) -> Obj:
        """The status as it is now."""
        pod = memory.pod
        current = self.writer.current((memory.mirror or pod)["metadata"]["uid"])
        if current is not None:
            pod = {**pod, "status": current}
        if memory.rejected:
            return rejected(pod, memory.reason, memory.message, self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"))
        ready, started = self.probes.passing(pod, state)
        facts = Facts(
            runtime_name=self.runtime_name,
            failures={} if terminal else dict(memory.failures),
            ready=ready,
            started=started,
            host_ips=self.host_ips,
            now=self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            allocated=memory.allocated,
            resize=memory.resize,
        )
        return generate(pod, state, facts, terminal=terminal, reason=memory.reason, message=memory.message)

    def publish(self, memory: PodMemory, state: PodState, *, terminal: bool = False, progress: bool = False) -> Obj:
        """Generate and publish."""
        status = self.build(memory, state, terminal=terminal)
        self.writer.publish(memory.mirror or memory.pod, status, progress=progress)
        return status

    async def runtime_handler(self, pod: Obj) -> str:
        """The CRI handler of the pod's RuntimeClass."""
        name = pod["spec"].get("runtimeClassName")
        if not name:
            return ""
        try:
            found = await self.read("runtimeclasses.node.k8s.io", name, None)
        except Exception as error:
            raise PodSyncError(f"failed to get sandbox runtime: {error}") from error
        return str(found.get("handler") or "")
