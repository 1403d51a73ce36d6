"""NodeName: a pod that names a node goes there or nowhere."""
# ruff: noqa: ARG002 - extension points have one signature for all plugins

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scheduler.framework import SKIP, Plugin, Rejection

if TYPE_CHECKING:
    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.snapshot import Snapshot

NAME = "NodeName"
_MISMATCH = Rejection(NAME, ("node(s) didn't match the requested node name",), resolvable=False)


class NodeName(Plugin):
    """Filters by `spec.nodeName`."""

    name = NAME

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> object:
        """Skips pods that name no node, which is nearly all of them."""
        return None if pod.node_name else SKIP

    def filter(self, state: Any, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Rejection | None:
        """Only the named node passes."""
        return None if pod.node_name == node.name else _MISMATCH
