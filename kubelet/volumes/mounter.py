"""Sets up a pod's volumes, keeps them fresh, and takes them down.

Everything lives below `<root>/pods/<uid>/`; taking down unmounts what is mounted there before removing a file, and
never follows a mount.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from apimachinery.client.rest import Client
from apimachinery.errors import APIError
from component.logging import get_logger
from kubelet.references import References
from kubelet.volumes.atomic_writer import PathError
from kubelet.volumes.registry import KINDS, REFRESHED, kind_of
from kubelet.volumes.source import Mounted, VolumeContext, VolumeError
from kubelet.volumes.tokens import Tokens
from linux import mounts

Obj = dict[str, Any]

log = get_logger("kubelet.volumes")


class Volumes:
    """One instance per kubelet."""

    def __init__(
        self,
        root: Path,
        client: Client,
        references: References,
        tokens: Tokens,
        allocatable: Callable[[], Mapping[str, str]],
    ) -> None:
        self._root = root
        self._client = client
        self._references = references
        self._tokens = tokens
        self._allocatable = allocatable
        self._mounted: dict[str, dict[str, Mounted]] = {}

    def pod_directory(self, uid: str) -> Path:
        """Where everything of a pod lives."""
        return self._root / "pods" / uid

    def mounted(self, uid: str) -> dict[str, Mounted]:
        """The volumes that are ready."""
        return self._mounted.get(uid, {})

    async def mount(self, pod: Obj) -> dict[str, Mounted]:
        """Set up what is not set up yet and refresh what follows the API.

        Raises:
            VolumeError: one of them can't be; the message is the event's.
        """
        uid = pod["metadata"]["uid"]
        ready = self._mounted.setdefault(uid, {})
        volumes = pod["spec"].get("volumes") or []
        if not volumes:
            return ready
        await self._references.load(pod)
        failures = []
        for volume in volumes:
            kind = kind_of(volume)
            if volume["name"] in ready and kind not in REFRESHED:
                continue
            try:
                ready[volume["name"]] = await self._set_up(pod, volume, kind)
            except (VolumeError, PathError, APIError, OSError) as error:
                if volume["name"] not in ready:
                    failures.append(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}')
        if failures:
            raise VolumeError("\n".join(failures))
        return ready

    async def _set_up(self, pod: Obj, volume: Obj, kind: str | None) -> Mounted:
        if kind is None:
            names = [key for key in volume if key != "name"]
            raise VolumeError(f"no volume plugin matched: {', '.join(names)}")
        plugin, set_up = KINDS[kind]
        directory = self.pod_directory(pod["metadata"]["uid"]) / "volumes" / f"kubernetes.io~{plugin}" / volume["name"]
        context = VolumeContext(
            pod=pod,
            directory=directory,
            lookup=self._references.lookup(pod["metadata"]["namespace"]),
            token=self._tokens.get,
            read=self._read,
            allocatable=self._allocatable(),
        )
        return await set_up(context, volume)

    def next_renewal(self, uid: str) -> float | None:
        """When a pod's volumes want another `mount` (epoch seconds)."""
        return self._tokens.next_renewal(uid)

    async def _read(self, resource: str, name: str, namespace: str | None) -> Obj:
        return await self._client.get(resource, name, namespace)

    async def take_down(self, uid: str) -> None:
        """Unmount and remove all volumes of a pod; idempotent.

        Raises:
            OSError: something is still mounted or busy.
        """
        directory = self.pod_directory(uid)
        self._mounted.pop(uid, None)
        self._tokens.forget(uid)
        if directory.exists():
            await asyncio.to_thread(_remove, directory)

    def leftovers(self) -> set[str]:
        """UIDs that have a directory."""
        base = self._root / "pods"
        return {entry.name for entry in base.iterdir()} if base.is_dir() else set()


def _remove(directory: Path) -> None:
    mounts.unmount_tree(str(directory))
    if mounts.mounts_under(str(directory)):
        raise OSError(f"{directory} is still mounted")
    shutil.rmtree(directory, ignore_errors=True)
