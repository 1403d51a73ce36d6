"""Choosing a profile's ports, and saying who holds one that is taken."""

import os
import socket
from pathlib import Path

from minikube_py.profiles import Ports
from minikube_py.reasons import PORT_IN_USE, Failure

_LISTEN = "0A"
_STEP = 20
_TRIES = 200


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a TCP listener could be opened now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def choose(index: int, apiserver_port: int = 0) -> Ports:
    """The ports of the host's cluster number `index`.

    The API server's port is a promise to the person (8443 for the first cluster), so a taken one is an error; all
    others are our own affair and move out of the way.

    Args:
        index: The cluster's number on this host.
        apiserver_port: The port the person asked for, 0 for the usual one.

    Raises:
        Failure: PORT_IN_USE.
    """
    usual = Ports()
    wanted = apiserver_port or (usual.apiserver if index == 0 else _free_from(usual.apiserver + index))
    demand_free(wanted, "--apiserver-port")
    chosen: dict[str, int] = {"apiserver": wanted}
    for name in ("etcd", "etcd_peer", "scheduler", "controllers", "proxy_health", "proxy_metrics", "kubelet_health"):
        chosen[name] = _free_from(getattr(usual, name) + _STEP * index, taken=set(chosen.values()))
    return Ports(**chosen, kubelet=usual.kubelet)


def demand_free(port: int, flag: str) -> None:
    """Check that a port can be listened on.

    Raises:
        Failure: PORT_IN_USE, naming the process that holds it where that can be told.
    """
    if not is_free(port, "0.0.0.0") or not is_free(port):
        holder = listener_of(port)
        raise Failure(PORT_IN_USE, f"port {port} is taken" + (f" by {holder}" if holder else ""), flag=flag)


def _free_from(first: int, taken: set[int] | None = None) -> int:
    for port in range(first, first + _TRIES):
        if port not in (taken or ()) and is_free(port):
            return port
    raise Failure(PORT_IN_USE, f"no free port from {first} to {first + _TRIES - 1}", flag="--apiserver-port")


def listener_of(port: int) -> str:
    """`name (pid N)` of the process that listens on a TCP port, or an empty string where that can't be told."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{columns[9]}]")
    if not inodes:
        return ""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if any(os.readlink(fd) in inodes for fd in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue
    return ""
