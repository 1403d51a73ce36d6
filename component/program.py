"""What every program does around its work: event loop, logs, signals, exit code.

    if __name__ == "__main__":
        run("scheduler", main, parse(Options, None, prog="scheduler", description=__doc__))

SIGTERM and SIGINT cancel the main coroutine, which cleans up in its `finally` parts; the exit code is then 0. An
exception is logged and ends the process with 1.
"""

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

from component import logging

_LOG = logging.get_logger("program")
_Options = TypeVar("_Options")


def run(
    name: str, main: Callable[[_Options], Awaitable[Any]], options: _Options, *, verbosity: int | None = None
) -> NoReturn:
    """Run a program's main coroutine until it returns, fails, or a signal ends it.

    Raises:
        SystemExit: always, with the exit code.
    """
    import uvloop

    level = verbosity if verbosity is not None else int(getattr(options, "v", 0) or 0)
    logging.configure(name, level)
    # Start-up makes objects that live for ever; freezing them later keeps collections short.
    gc.set_threshold(20_000, 20, 50)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_supervised(main, options))
    raise SystemExit(code)


async def _supervised(main: Callable[[_Options], Awaitable[Any]], options: _Options) -> int:
    loop = asyncio.get_running_loop()
    task = loop.create_task(_as_coroutine(main, options), name="main")
    ended_by: list[str] = []

    def end(number: signal.Signals) -> None:
        if ended_by:  # asked twice: at once
            os._exit(128 + number)
        ended_by.append(number.name)
        _LOG.info("Shutting down", signal=number.name)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, end, number)
    try:
        await task
    except asyncio.CancelledError:
        if not ended_by:
            raise
        return 0
    except Exception as error:  # noqa: BLE001 - the last one to hear of it
        _LOG.error("Program failed", error=error)
        return 1
    return 0


async def _as_coroutine(main: Callable[[_Options], Awaitable[Any]], options: _Options) -> None:
    await main(options)
