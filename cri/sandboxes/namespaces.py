"""A pod's namespaces: made without a process, pinned by bind mounts in the sandbox's directory.

Network, IPC and UTS namespaces are unshared in a thread that sets the hostname and the sysctls while inside, then
pinned. With a user namespace, a short-lived child makes them instead, because the kernel lets only a single-threaded
process enter one. A shared PID namespace needs a living PID 1: see ``cri.sandboxes.pid_holder``. Blocks; call it in a
thread.
"""

import functools
import os
import pathlib
import socket
import subprocess
import time

from cri import errors
from linux import mounts, netns, sysctl
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
        kind = _kind_of(name)
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


# -- with a user namespace


def make_with_user(
    directory: pathlib.Path,
    kinds: list[str],
    hostname: str,
    sysctls: dict[str, str],
    mappings: tuple[list[api_pb2.IDMapping], list[api_pb2.IDMapping]],
) -> dict[str, str]:
    """Like ``make``, with a user namespace of the pod's own that owns the others.

    Args:
        directory: Where the namespaces are pinned.
        kinds: The others.
        hostname: Of the UTS namespace, if there is one.
        sysctls: Set inside.
        mappings: Of uids and of gids.
    """
    kinds = ["user", *kinds]
    paths = {kind: str(directory / kind) for kind in kinds}
    directory.mkdir(mode=0o700, exist_ok=True)
    # A process that stands still while its namespaces are pinned; /proc/self/exe is no choice, it would be us.
    flags = [_UNSHARE_FLAGS[kind] for kind in kinds]
    holder = subprocess.Popen(
        ["unshare", *flags, "sleep", "60"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for_namespace(holder, "user")
        for kind, ids in zip(("uid", "gid"), mappings, strict=True):
            lines = "".join(f"{m.container_id} {m.host_id} {m.length}\n" for m in ids)
            pathlib.Path(f"/proc/{holder.pid}/{kind}_map").write_text(lines)
        for kind, path in paths.items():
            pathlib.Path(path).touch(mode=0o444)
            mounts.mount(f"/proc/{holder.pid}/ns/{kind}", path, flags=mounts.MS_BIND)
    except OSError as error:
        raise errors.Internal(f"cannot make the pod's user namespace: {error}") from error
    finally:
        holder.kill()
        holder.wait()
    if "uts" in kinds and hostname:
        netns.run_in(paths["uts"], lambda: socket.sethostname(hostname), "uts")
    for kind in ("net", "ipc", "uts"):
        mine = {name: value for name, value in sysctls.items() if _kind_of(name) == kind}
        if mine and kind in kinds:
            netns.run_in(paths[kind], functools.partial(_prepare, [], "", mine), kind)
    return paths


_UNSHARE_FLAGS = {"user": "--user", "net": "--net", "ipc": "--ipc", "uts": "--uts"}
_PATIENCE = 5.0


def _wait_for_namespace(holder: "subprocess.Popen[bytes]", kind: str) -> None:
    """Wait until the child has unshared."""
    ours = os.readlink(f"/proc/self/ns/{kind}")
    deadline = time.monotonic() + _PATIENCE
    while holder.poll() is None:
        if os.readlink(f"/proc/{holder.pid}/ns/{kind}") != ours:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.0005)
    raise errors.Internal("cannot make a user namespace; is user.max_user_namespaces 0?")


def _kind_of(name: str) -> str:
    plain = name.replace("/", ".")
    return next((kind for kind, prefixes in _SAFE_PREFIXES.items() if plain.startswith(prefixes)), "")
