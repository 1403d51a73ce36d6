"""Frees what a pod held: volumes and cgroup when it has ended; sandboxes, containers, logs and directory when it is
gone from the API.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

from component.logging import get_logger
from kubelet.pod_memory import PodMemory
from kubelet.references import References
from kubelet.resources.cgroup_tree import CgroupTree
from kubelet.runtime.client import CRIClient, RuntimeServiceError
from kubelet.runtime.images import Images
from kubelet.runtime.pod_cache import PodCache
from kubelet.runtime.pod_state import POD_UID_LABEL
from kubelet.volumes.mounter import Volumes

Obj = dict[str, Any]

ATTEMPTS = 5

log = get_logger("kubelet.cleanup")


class Cleanup:
    """One instance per kubelet."""

    def __init__(
        self,
        client: CRIClient,
        cache: PodCache,
        volumes: Volumes,
        references: References,
        images: Images,
        cgroups: CgroupTree,
        log_root: Path,
    ) -> None:
        self._client = client
        self._cache = cache
        self._volumes = volumes
        self._references = references
        self._images = images
        self._cgroups = cgroups
        self._log_root = log_root

    async def release(self, memory: PodMemory) -> None:
        """The pod has ended: take down volumes and cgroup; containers stay for their logs.

        Raises:
            OSError: something is still busy; try again.
        """
        self._references.release(memory.uid)
        self._images.forget(memory.uid)
        await self._volumes.take_down(memory.uid)
        await asyncio.to_thread(self._cgroups.remove_uid, memory.uid)
        memory.cgroup_ready = False

    async def erase(self, memory: PodMemory) -> None:
        """The pod is gone: remove its sandboxes, containers and logs."""
        for attempt in range(ATTEMPTS):
            try:
                await self.erase_uid(memory.uid)
                break
            except (RuntimeServiceError, OSError) as error:
                log.debug("cannot erase pod yet", pod=memory.key, error=str(error))
                await asyncio.sleep(0.2 * 2**attempt)

    async def erase_uid(self, uid: str) -> None:
        """Remove everything that carries a UID.

        Raises:
            RuntimeServiceError: the runtime refuses.
            OSError: something is busy.
        """
        for sandbox in await self._client.list_pod_sandboxes({POD_UID_LABEL: uid}):
            await self._client.stop_pod_sandbox(sandbox.id)
            await self._client.remove_pod_sandbox(sandbox.id)
        for container in await self._client.list_containers({POD_UID_LABEL: uid}):
            await self._client.remove_container(container.id)
        self._cache.drop(uid)
        await self._volumes.take_down(uid)
        await asyncio.to_thread(self._cgroups.remove_uid, uid)
        for path in self._log_root.glob(f"*_{uid}"):
            shutil.rmtree(path, ignore_errors=True)
