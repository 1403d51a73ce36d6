"""What the cgroups of pods are called, in the words of either driver. Pure."""

from __future__ import annotations

from linux.cgroups_v2 import systemd_path

_MIDDLES = {"Guaranteed": "", "Burstable": "burstable", "BestEffort": "besteffort"}


class CgroupNames:
    """Names below a root (`/` or a group that holds all of the kubelet's)."""

    def __init__(self, root: str, *, systemd: bool) -> None:
        self._root = [part for part in root.split("/") if part]
        self._systemd = systemd

    def quality(self, qos: str) -> str:
        """The group of all pods of a QoS class."""
        return self._path("kubepods", *filter(None, [_MIDDLES[qos]]))

    def pod(self, qos: str, uid: str) -> str:
        """The group of a pod."""
        return self._path("kubepods", *filter(None, [_MIDDLES[qos]]), f"pod{uid}")

    def uid(self, name: str) -> str:
        """The pod that a directory's name stands for; empty for another's."""
        if self._systemd:
            name = name.removesuffix(".slice").rpartition("-")[2].replace("_", "-")
        return name.removeprefix("pod") if name.startswith("pod") else ""

    def _path(self, *parts: str) -> str:
        whole = [*self._root, *parts]
        if not self._systemd:
            return "/" + "/".join(whole)
        # A dash in a slice's name says that it lies in another, so those within a part are written as underscores.
        return systemd_path("-".join(part.replace("-", "_") for part in whole) + ".slice")
