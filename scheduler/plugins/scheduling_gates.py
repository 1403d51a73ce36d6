"""SchedulingGates: a pod with gates stays out of the queue until the last one is lifted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduler.framework import Plugin, Rejection

if TYPE_CHECKING:
    from scheduler.pod_info import PodInfo

NAME = "SchedulingGates"


class SchedulingGates(Plugin):
    """Keeps gated pods out of the active queue (KEP-3521)."""

    name = NAME

    def pre_enqueue(self, pod: PodInfo) -> Rejection | None:
        """Names the gates that still stand."""
        gates = [str(gate.get("name")) for gate in pod.spec.get("schedulingGates") or ()]
        if not gates:
            return None
        return Rejection(NAME, (f"waiting for scheduling gates: [{' '.join(gates)}]",), resolvable=False)
