"""Rotates container logs that have grown too big: rename, reopen through the runtime, compress the older ones, keep a
few.
"""

from __future__ import annotations

import asyncio
import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

from component.clock import Clock
from component.logging import get_logger
from kubelet.runtime.client import CRIClient, RuntimeServiceError
from kubelet.runtime.pod_cache import PodCache

EVERY = 10.0

log = get_logger("kubelet.logs")


class LogRotation:
    """One instance per kubelet."""

    def __init__(
        self, client: CRIClient, cache: PodCache, clock: Clock, known: Callable[[], set[str]], size: int, files: int
    ) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._known = known
        self._size = size
        self._files = files

    async def run(self) -> None:
        """Look every ten seconds, for ever."""
        while True:
            await asyncio.sleep(EVERY)
            for uid in self._known():
                state = self._cache.peek(uid)
                for record in state.containers if state else ():
                    if record.running and record.log_path:
                        await self._look(record.id, Path(record.log_path))

    async def _look(self, container_id: str, path: Path) -> None:
        try:
            if path.stat().st_size <= self._size:
                return
            await self.rotate(container_id, path)
        except FileNotFoundError:
            return
        except (OSError, RuntimeServiceError) as error:
            log.info("cannot rotate log", path=str(path), error=str(error))

    async def rotate(self, container_id: str, path: Path) -> None:
        """Rotate one log.

        Raises:
            RuntimeServiceError: the runtime could not reopen it; the file is back in its place.
        """
        await asyncio.to_thread(self._tidy, path)
        fresh = path.with_name(f"{path.name}.{self._clock.now().strftime('%Y%m%d-%H%M%S')}")
        path.rename(fresh)
        try:
            await self._client.reopen_log(container_id)
        except RuntimeServiceError:
            fresh.rename(path)
            raise

    def _tidy(self, path: Path) -> None:
        """Compress rotated files and drop the oldest; room is left for the one to come and the live one."""
        rotated = sorted(p for p in path.parent.glob(f"{path.name}.*") if p.suffix != ".tmp")
        for old in rotated[: max(0, len(rotated) - (self._files - 2))]:
            old.unlink(missing_ok=True)
        for plain in (p for p in rotated if p.suffix != ".gz" and p.exists()):
            packed = plain.with_name(plain.name + ".gz")
            temporary = plain.with_name(plain.name + ".tmp")
            with plain.open("rb") as source, gzip.open(temporary, "wb") as target:
                shutil.copyfileobj(source, target)
            temporary.rename(packed)
            plain.unlink()
