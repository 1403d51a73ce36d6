"""The pod cgroups: `<root>/kubepods[/burstable|/besteffort]/pod<uid>` in every controller, with the pod's limits.

Under the systemd driver they are slices, made by systemd.
"""

from __future__ import annotations

import asyncio
from typing import Any

from component.logging import get_logger
from kubelet.pod_memory import PodMemory
from kubelet.resources.amounts import QUOTA_PERIOD, milli_to_quota, milli_to_shares
from kubelet.resources.cgroup_names import CgroupNames
from kubelet.resources.qos import pod_limits, pod_shares_milli, qos_class
from linux import cgroups
from linux.cgroups import CgroupHost, Limits

Obj = dict[str, Any]

log = get_logger("kubelet.cgroups")


_QUALITIES = ("Guaranteed", "Burstable", "BestEffort")


class CgroupTree:
    """One instance per kubelet."""

    def __init__(self, root: str, *, systemd: bool) -> None:
        self._root = root
        self.use_driver(systemd=systemd)

    def use_driver(self, *, systemd: bool) -> None:
        """Take the driver that the runtime uses, too: both must name groups alike."""
        self._systemd = systemd
        self._names = CgroupNames(self._root, systemd=systemd)
        self._host = self._detect()

    def _detect(self) -> CgroupHost:
        host = cgroups.detect()
        if not self._systemd:
            return host
        from linux.cgroups_systemd import SystemdHost

        return SystemdHost(host)

    def parent(self, pod: Obj) -> str:
        """The cgroup parent of a pod's containers."""
        return self._names.pod(qos_class(pod), pod["metadata"]["uid"])

    def set_up(self) -> None:
        """Make the trunk."""
        for quality in _QUALITIES:
            self._create(self._names.quality(quality))
        self._host.set_limits(self._names.quality("BestEffort"), Limits(cpu_shares=2))

    def _create(self, path: str) -> None:
        try:
            self._host.create(path)
        except FileNotFoundError:
            # A v1 hierarchy was unmounted since we looked (container runtimes mount stray ones for a moment): look
            # again.
            self._host = self._detect()
            self._host.create(path)

    async def ensure(self, memory: PodMemory) -> None:
        """Make the pod's cgroup, once."""
        if memory.cgroup_ready:
            return
        await asyncio.to_thread(self.apply, memory.pod)
        memory.cgroup_ready = True

    def apply(self, pod: Obj, *, quiet: bool = False) -> None:
        """Create the pod's cgroup and set its limits."""
        path = self.parent(pod)
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
        for quality in _QUALITIES:
            self._host.remove_tree(self._names.pod(quality, uid))

    def uids(self) -> set[str]:
        """UIDs that have a cgroup."""
        groups = (name for quality in _QUALITIES for name in self._host.list(self._names.quality(quality)))
        return {uid for uid in map(self._names.uid, groups) if uid}
