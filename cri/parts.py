"""The parts that remote procedures are built on, made once by ``cri.server``.

A procedure takes the whole record but names in its code the two or three parts it uses. Blocking work (files, mounts,
locks, child processes) goes through ``blocking`` or ``making`` into a bounded pool of threads, so the event loop stays
free.
"""

import asyncio
import concurrent.futures
import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from component.tasks import Tasks
from cri.config import Config
from cri.events import Events
from cri.images.layers import ContainerLayers
from cri.images.storage import ImageStore
from cri.oci_spec.clamps import HostFacts
from cri.runtime.exits import ExitWatcher
from cri.runtime.handlers import Handlers
from cri.sandboxes.network import Networks
from cri.store import Store
from linux.cgroups import CgroupHost

if TYPE_CHECKING:
    from cri.images.pull import Puller
    from cri.streaming.server import StreamServer

R = TypeVar("R")


@dataclasses.dataclass(slots=True)
class Parts:
    """Everything a procedure may need."""

    config: Config
    host: HostFacts
    cgroups: CgroupHost
    conmon: str
    store: Store
    images: ImageStore
    layers: ContainerLayers
    handlers: Handlers
    networks: Networks
    events: Events
    exits: ExitWatcher
    tasks: Tasks
    pool: concurrent.futures.ThreadPoolExecutor
    makers: concurrent.futures.ThreadPoolExecutor
    puller: "Puller"
    streams: "StreamServer"
    garbage: set[str] = dataclasses.field(default_factory=set)  # containers of the store that are still to be deleted

    async def blocking(self, function: Callable[..., R], *arguments: Any, **named: Any) -> R:
        """Run a blocking function in the pool."""
        work = functools.partial(function, *arguments, **named)
        return await asyncio.get_running_loop().run_in_executor(self.pool, work)

    async def making(self, function: Callable[..., R], *arguments: Any) -> R:
        """The same for what makes sandboxes and containers, in a pool of its own.

        An OCI runtime or a network plugin that hangs keeps its thread for minutes; removing has to work all the same.
        """
        return await asyncio.get_running_loop().run_in_executor(self.makers, functools.partial(function, *arguments))
