"""Removes what nobody needs: dead containers beyond the last, sandboxes and directories of pods that are gone, unused
images.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from component.clock import Clock
from component.logging import get_logger
from kubelet.node import machine
from kubelet.pod_cleanup import Cleanup
from kubelet.runtime.client import CRIClient, RuntimeServiceError
from kubelet.runtime.pod_cache import PodCache
from kubelet.runtime.pod_state import ContainerRecord, Phase, PodState

log = get_logger("kubelet.garbage")

EVERY = 60.0
SECOND_LOOK = 5.0
KEEP_DEAD = 1


@dataclass(frozen=True, slots=True)
class ImagePolicy:
    """When images are removed."""

    high: int
    low: int
    minimum_age: float


def surplus(state: PodState) -> tuple[list[ContainerRecord], list[str]]:
    """Pure: dead containers beyond the newest dead one of each name, and dead sandboxes that are neither newest nor
    hold a kept container.
    """
    extra: list[ContainerRecord] = []
    kept_sandboxes = {s.id for s in state.sandboxes[:1]} | {s.id for s in state.sandboxes if s.ready}
    for name in {c.name for c in state.containers}:
        dead = [c for c in state.containers if c.name == name and c.phase in {Phase.EXITED, Phase.CREATED}]
        alive = [c for c in state.containers if c.name == name and c.running]
        keep = KEEP_DEAD if alive else KEEP_DEAD + 1
        extra += dead[keep:]
        kept_sandboxes |= {c.sandbox_id for c in [*alive, *dead[:keep]]}
    return extra, [s.id for s in state.sandboxes if s.id not in kept_sandboxes]


class Garbage:
    """One instance per kubelet."""

    def __init__(
        self,
        client: CRIClient,
        cache: PodCache,
        cleanup: Cleanup,
        clock: Clock,
        known: Callable[[], set[str]],
        leftovers: Callable[[], set[str]],
        policy: ImagePolicy,
    ) -> None:
        self._client = client
        self._cache = cache
        self._cleanup = cleanup
        self._clock = clock
        self._known = known
        self._leftovers = leftovers
        self._policy = policy
        self._unused_since: dict[str, float] = {}
        self._suspects: set[str] = set()

    async def run(self) -> None:
        """Collect every minute, for ever."""
        pause = 2.0
        while True:
            await asyncio.sleep(pause)
            try:
                await self.collect()
            except (RuntimeServiceError, OSError) as error:
                log.debug("garbage collection failed", error=str(error))
            pause = SECOND_LOOK if self._suspects else EVERY

    async def collect(self) -> None:
        """One round."""
        known = self._known()
        orphans = (self._cache.uids() | self._leftovers()) - known
        # An orphan must be seen twice: a pod may be on its way in.
        for uid in orphans & self._suspects:
            log.info("removing what is left of a pod", uid=uid)
            with contextlib.suppress(RuntimeServiceError, OSError):
                await self._cleanup.erase_uid(uid)
        self._suspects = orphans
        for uid in known:
            await self._trim(uid)
        await self._images()

    async def _trim(self, uid: str) -> None:
        state = self._cache.peek(uid)
        if state is None:
            return
        containers, sandboxes = surplus(state)
        if not containers and not sandboxes:
            return
        for record in containers:
            await self._client.remove_container(record.id)
        for sandbox in sandboxes:
            await self._client.remove_pod_sandbox(sandbox)
        self._cache.invalidate(uid)

    async def _images(self) -> None:
        info = await self._client.image_fs_info()
        if not info.image_filesystems:
            return
        disk = machine.disk(info.image_filesystems[0].fs_id.mountpoint or "/")
        used = disk.total - disk.free
        if used * 100 < disk.total * self._policy.high:
            return
        await self._free_images(used - disk.total * self._policy.low // 100)

    async def _free_images(self, wanted: int) -> None:
        images, containers = await asyncio.gather(self._client.list_images(), self._client.list_containers())
        used = {name for c in containers for name in (c.image_ref, c.image_id, c.image.image)}
        now = self._clock.monotonic()
        freed = 0
        for image in images:
            if image.pinned or used & {image.id, *image.repo_tags, *image.repo_digests}:
                self._unused_since.pop(image.id, None)
                continue
            since = self._unused_since.setdefault(image.id, now)
            if now - since < self._policy.minimum_age or freed >= wanted:
                continue
            await self._client.remove_image(image.id)
            log.info("removed unused image", image=image.id, size=int(image.size))
            freed += int(image.size)
