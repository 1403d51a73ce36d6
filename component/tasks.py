"""Supervised tasks: every task has a name and an owner, and its exception reaches the owner.

`Tasks` is a task group. A task that fails ends the group, and with it the program, unless it was spawned with
`restart=True`: then it is logged and started again with a back-off.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from component.logging import get_logger

_LOG = get_logger("tasks")
_FIRST_BACKOFF = 0.1
_LONGEST_BACKOFF = 5.0


class Tasks:
    """An async context manager that owns tasks; leaving it cancels them and waits for them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        self._failure = asyncio.get_running_loop().create_future()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cancel()
        if error is None and self._failure is not None and self._failure.done():
            self._failure.result()

    def spawn(
        self,
        work: Coroutine[Any, Any, Any] | Callable[[], Awaitable[Any]],
        *,
        name: str,
        restart: bool = False,
    ) -> asyncio.Task[Any]:
        """Start a task.

        Args:
            work: A coroutine, or (needed for `restart`) a function that makes one.
            name: Shown in logs.
            restart: Start it again when it fails, instead of ending the group.
        """
        if restart and not callable(work):
            raise TypeError("restart needs a function that makes the coroutine anew")
        coroutine = self._restarting(work, name) if restart and callable(work) else self._run(work, name)
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # taken note of in _run; asyncio need not complain of it again

    async def _run(self, work: Coroutine[Any, Any, Any] | Callable[[], Awaitable[Any]], name: str) -> Any:
        try:
            return await (work() if callable(work) else work)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            _LOG.error("Task failed", task=name, error=error)
            if self._failure is not None and not self._failure.done():
                self._failure.set_exception(error)
            raise

    async def _restarting(self, make: Callable[[], Awaitable[Any]], name: str) -> None:
        pause = _FIRST_BACKOFF
        while True:
            begun = asyncio.get_running_loop().time()
            try:
                await make()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - logged, and tried again
                _LOG.error("Task failed, starting it again", task=name, error=error)
            else:
                return
            if asyncio.get_running_loop().time() - begun > _LONGEST_BACKOFF:
                pause = _FIRST_BACKOFF
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_BACKOFF)

    async def wait(self) -> None:
        """Wait until a task fails (raises its exception) or the caller is cancelled."""
        if self._failure is None:
            raise RuntimeError("enter Tasks first")
        await asyncio.shield(self._failure)

    async def cancel(self) -> None:
        """Cancel all tasks and wait for their end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
