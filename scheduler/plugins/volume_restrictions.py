"""VolumeRestrictions: a ReadWriteOncePod claim serves one pod at a time."""
# ruff: noqa: ARG002 - extension points have one signature for all plugins

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scheduler.framework import SKIP, Plugin, Rejection

if TYPE_CHECKING:
    from scheduler.node_info import NodeInfo
    from scheduler.pod_info import PodInfo
    from scheduler.snapshot import Snapshot

NAME = "VolumeRestrictions"
_IN_USE = Rejection(
    NAME, ("node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",)
)


class VolumeRestrictions(Plugin):
    """Filters by claims that other pods hold exclusively (KEP-2485)."""

    name = NAME

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> object:
        """The pod's exclusive claims that somebody uses."""
        used = {
            name
            for name in pod.claims
            if snapshot.claims_in_use.get(f"{pod.namespace}/{name}")
            and _is_exclusive(snapshot.get("persistentvolumeclaims", f"{pod.namespace}/{name}"))
        }
        return used or SKIP

    def filter(self, state: Any, pod: PodInfo, node: NodeInfo, snapshot: Snapshot) -> Rejection | None:
        """In use on this node: evicting the user helps. In use elsewhere: still not here."""
        for other_node in snapshot.nodes.values():
            for other in other_node.pods.values():
                if other.namespace == pod.namespace and not state.isdisjoint(other.claims):
                    return _IN_USE
        return None


def _is_exclusive(claim: Any) -> bool:
    return claim is not None and "ReadWriteOncePod" in (claim["spec"].get("accessModes") or ())
