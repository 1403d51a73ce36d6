"""A pod's namespaces: made without a process, pinned by bind mounts in the sandbox's directory.

Network, IPC and UTS namespaces are unshared in a thread that sets the hostname and the sysctls while inside, then
pinned. With a user namespace, a short-lived child makes them instead, because the kernel lets only a single-threaded
process enter one. A shared PID namespace needs a living PID 1: see ``cri.sandboxes.pid_holder``. Blocks; call it in a
thread.
"""

import ctypes
import pathlib
import socket

from cri import errors
from linux import netns, sysctl
from protocols.cri import api_pb2

_NODE = api_pb2.NODE
_SAFE_PREFIXES = {
    "net": ("net.",),
    "ipc": ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."),
    "uts": ("kernel.domainname",),
}


def wanted(options: api_pb2.NamespaceOption) -> list[str]:
    """The kinds of namespaces the pod gets of its own."""
    kinds = []
    if options.network != _NODE:
        kinds += ["net", "uts"]
    if options.ipc != _NODE:
        kinds.append("ipc")
    return kinds


def check_sysctls(sysctls: dict[str, str], kinds: list[str]) -> None:
    """Refuse sysctls that would change the node.

    Raises:
        InvalidArgument: the namespace it belongs to is the node's, or it belongs to none.
    """
    for name in sysctls:
        plain = name.replace("/", ".")
        kind = next((k for k, prefixes in _SAFE_PREFIXES.items() if plain.startswith(prefixes)), "")
        if not kind:
            raise errors.InvalidArgument(f"sysctl {name!r} is not namespaced")
        if kind not in kinds:
            raise errors.InvalidArgument(
                f"sysctl {name!r} is not allowed, since the pod shares the node's {kind} namespace"
            )


def make(directory: pathlib.Path, kinds: list[str], hostname: str, sysctls: dict[str, str]) -> dict[str, str]:
    """Make and pin namespaces; returns the path of each kind.

    Raises:
        InvalidArgument: a sysctl was refused by the kernel.
        Internal: the kernel refused a namespace.
    """
    if not kinds:
        return {}
    paths = {kind: str(directory / kind) for kind in kinds}
    directory.mkdir(mode=0o700, exist_ok=True)

    def prepare() -> None:
        _prepare(kinds, hostname, sysctls)

    try:
        netns.pin_namespaces(paths, prepare)
    except OSError as error:
        raise errors.Internal(f"cannot make the pod's namespaces: {error}") from error
    return paths


def _prepare(kinds: list[str], hostname: str, sysctls: dict[str, str]) -> None:
    if "uts" in kinds and hostname:
        socket.sethostname(hostname)
    for name, value in sysctls.items():
        try:
            sysctl.write(name, value)
        except OSError as error:
            raise errors.InvalidArgument(f"cannot set sysctl {name}={value}: {error.strerror}") from error


# -- with a user namespace ------------------------------------------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_FLAGS = {"user": 0x10000000, "net": 0x40000000, "ipc": 0x08000000, "uts": 0x04000000}
