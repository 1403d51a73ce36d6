"""``python -m cri``: the container runtime; ``wipe`` removes all its containers, ``config`` shows the configuration."""

import contextlib
import ctypes
import dataclasses
import os
import sys

from component import program
from component.flags import parse
from component.logging import get_logger
from cri import config, config_text, errors
from cri.options import Options

_log = get_logger("main")
_DESCRIPTION = (
    "Container runtime: serves Kubernetes' CRI v1 on a unix socket."
    " 'wipe' as the first word removes all its containers, 'config' shows the configuration in force."
)


# gRPC's fork handlers serve processes that go on as a copy of their parent; ours only ever fork to exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


def main(argv: list[str]) -> None:
    """Run the service, the clean-up or the look at the configuration."""
    command = _COMMANDS.get(argv[0] if argv else "")
    options = parse(Options, argv[1:] if command else argv, prog="cri", description=_DESCRIPTION)
    program.run("cri", command or _serve, options)


_M_ARENA_MAX = -8


def _bound_memory() -> None:
    """Keep glibc from giving each of our threads a heap of its own, where large messages would stay for ever."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


async def _serve(options: Options) -> None:
    _bound_memory()
    from cri import server

    await server.serve(config.load(options), options)


async def _show(options: Options) -> None:
    sys.stdout.write(config_text.text(config.load(options)))


async def _wipe(options: Options) -> None:
    from cri import wipe

    try:
        found = config.load(options)
    except errors.InvalidArgument as error:
        # Whoever tidies up must not be stopped by a file that nobody needs any more.
        _log.warning("Going by the flags alone", cause=str(error))
        found = config.load(dataclasses.replace(options, config="/dev/null", config_dir=""))
    await wipe.wipe(found)


_COMMANDS = {"wipe": _wipe, "config": _show}

if __name__ == "__main__":
    main(sys.argv[1:])
