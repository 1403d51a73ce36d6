"""The pod cgroups: `<root>/kubepods[/burstable|/besteffort]/pod<uid>` in every controller, with the pod's limits."""

from __future__ import annotations

from typing import Any

from component.logging import get_logger
from kubelet.pod_memory import PodMemory
from kubelet.resources.amounts import QUOTA_PERIOD, milli_to_quota, milli_to_shares
from kubelet.resources.qos import pod_cgroup, pod_limits, pod_shares_milli
from linux import cgroups
from linux.cgroups import Limits

Obj = dict[str, Any]

log = get_logger("kubelet.cgroups")


class CgroupTree:
    """One instance per kubelet."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._host = cgroups.detect()

    def parent(self, pod: Obj) -> str:
        """The cgroup parent of a pod's containers."""
        return pod_cgroup(self._root, pod)

    def set_up(self) -> None:
        """Make the trunk."""
        for suffix in ("", "/burstable", "/besteffort"):
            path = f"{self._root.rstrip('/')}/kubepods{suffix}"
            self._create(path)
            if suffix == "/besteffort":
                self._host.set_limits(path, Limits(cpu_shares=2))

    def _create(self, path: str) -> None:
        try:
            self._host.create(path)
        except FileNotFoundError:
            # A v1 hierarchy was unmounted since we looked (container runtimes mount stray ones for a moment): look
            # again.
            self._host = cgroups.detect()
            self._host.create(path)

    async def ensure(self, memory: PodMemory) -> None:
        """Make the pod's cgroup, once."""
        if memory.cgroup_ready:
            return
        self.apply(memory.pod)
        memory.cgroup_ready = True

    def apply(self, pod: Obj, *, quiet: bool = False) -> None:
        """Create the pod's cgroup and set its limits."""
        path = pod_cgroup(self._root, pod)
        limits = pod_limits(pod)
        self._create(path)
        amounts = Limits(
            cpu_shares=milli_to_shares(pod_shares_milli(pod)),
            cpu_quota=milli_to_quota(limits.get("cpu", 0)) or -1,
            cpu_period=QUOTA_PERIOD,
            memory=limits.get("memory") or -1,
        )
        try:
            self._host.set_limits(path, amounts)
        except OSError as error:
            # A limit below what is in use, or a host without the controller: the containers' own limits still hold.
            if not quiet:
                log.debug("cannot set pod limits", cgroup=path, error=str(error))

    def remove_uid(self, uid: str) -> None:
        """Remove the cgroups of a UID."""
        for middle in ("", "/burstable", "/besteffort"):
            self._host.remove_tree(f"{self._root.rstrip('/')}/kubepods{middle}/pod{uid}")

    def uids(self) -> set[str]:
        """UIDs that have a cgroup."""
        found: set[str] = set()
        for middle in ("", "/burstable", "/besteffort"):
            names = self._host.list(f"{self._root.rstrip('/')}/kubepods{middle}")
            found |= {name.removeprefix("pod") for name in names if name.startswith("pod")}
        return found
