"""NodePorts: two pods can't hold the same host port on the same address."""
# ruff: noqa: ARG002 - extension points have one signature for all plugins

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scheduler.framework import SKIP, Plugin, Rejection

if TYPE_CHECKING:
    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.snapshot import Snapshot

NAME = "NodePorts"
_TAKEN = Rejection(NAME, ("node(s) didn't have free ports for the requested pod ports",))


class NodePorts(Plugin):
    """Filters by the host ports that pods on the node already hold."""

    name = NAME

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> object:
        """Skips pods without host ports."""
        return None if pod.host_ports else SKIP

    def filter(self, state: Any, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Rejection | None:
        """0.0.0.0 conflicts with every address, other addresses with themselves."""
        return _TAKEN if any(node.has_port_conflict(port) for port in pod.host_ports) else None
