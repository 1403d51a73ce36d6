"""NodeUnschedulable: cordoned nodes take no pods, except those that tolerate it."""
# ruff: noqa: ARG002 - extension points have one signature for all plugins

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apimachinery.objects.taints import tolerates
from scheduler.framework import Plugin, Rejection

if TYPE_CHECKING:
    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.snapshot import Snapshot

NAME = "NodeUnschedulable"
_CORDONED = Rejection(NAME, ("node(s) were unschedulable",), resolvable=False)
_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class NodeUnschedulable(Plugin):
    """Filters by `node.spec.unschedulable`."""

    name = NAME

    def filter(self, state: Any, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Rejection | None:
        """A cordon counts like its taint."""
        if not node.unschedulable or any(tolerates(t, _TAINT) for t in pod.tolerations):
            return None
        return _CORDONED
