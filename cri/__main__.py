"""``python -m cri``: the container runtime, or ``python -m cri wipe`` to remove all its containers."""

import contextlib
import ctypes
import os
import sys

from component import program
from component.flags import parse
from cri import config
from cri.options import Options

_DESCRIPTION = "Container runtime: serves Kubernetes' CRI v1 on a unix socket; 'wipe' removes all its containers."


# gRPC's fork handlers serve processes that go on as a copy of their parent; ours only ever fork to exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


def main(argv: list[str]) -> None:
    """Run the service or the clean-up."""
    wiping = argv[:1] == ["wipe"]
    options = parse(Options, argv[1:] if wiping else argv, prog="cri", description=_DESCRIPTION)
    program.run("cri", _wipe if wiping else _serve, options)


_M_ARENA_MAX = -8


def _bound_memory() -> None:
    """Keep glibc from giving each of our threads a heap of its own, where large messages would stay for ever."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


async def _serve(options: Options) -> None:
    _bound_memory()
    from cri import server

    await server.serve(config.load(options))


async def _wipe(options: Options) -> None:
    from cri import wipe

    await wipe.wipe(config.load(options))


if __name__ == "__main__":
    main(sys.argv[1:])
