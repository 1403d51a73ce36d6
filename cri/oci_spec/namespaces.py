"""Which namespaces a container joins, makes or leaves out. Pure.

Pod-wide namespaces exist as pinned files before any container does; a namespace the container shares with the node is
simply not named in the OCI configuration.
"""

import dataclasses
from typing import Any

from cri import errors
from protocols.cri import api_pb2

POD, CONTAINER, NODE, TARGET = api_pb2.POD, api_pb2.CONTAINER, api_pb2.NODE, api_pb2.TARGET


@dataclasses.dataclass(frozen=True, slots=True)
class PodNamespaces:
    """Paths of the pod's pinned namespaces; an empty one is the node's."""

    network: str = ""
    ipc: str = ""
    uts: str = ""
    user: str = ""
    pid: str = ""


def check_sandbox_options(options: api_pb2.NamespaceOption) -> None:
    """Refuse what the API does not allow for a sandbox.

    Raises:
        InvalidArgument: a mode that a sandbox cannot have, or impossible user mappings.
    """
    if options.network not in (POD, NODE):
        raise errors.InvalidArgument("the network namespace mode of a sandbox must be POD or NODE")
    user = options.userns_options
    if user.mode not in (POD, NODE):
        raise errors.InvalidArgument(f"unsupported user namespace mode: {api_pb2.NamespaceMode.Name(user.mode)}")
    if options.HasField("userns_options") and user.mode == POD:
        for kind, mappings in (("uid", user.uids), ("gid", user.gids)):
            if len(mappings) != 1:
                raise errors.InvalidArgument(f"expected exactly one {kind} mapping, got {len(mappings)}")
            if mappings[0].container_id != 0:
                raise errors.InvalidArgument(f"the {kind} mapping must start at container id 0")
            if mappings[0].length == 0:
                raise errors.InvalidArgument(f"the {kind} mapping is empty")
        if user.uids[0] != user.gids[0]:
            raise errors.InvalidArgument("uid and gid mappings must be the same")
    elif user.mode == NODE and (user.uids or user.gids):
        raise errors.InvalidArgument("user mappings make no sense with the node's user namespace")


def container_namespaces(options: api_pb2.NamespaceOption, pod: PodNamespaces, target_pid: int) -> list[dict[str, Any]]:
    """The ``linux.namespaces`` of a container; ``target_pid`` is the process that mode TARGET points at."""
    result: list[dict[str, Any]] = [{"type": "mount"}]
    for kind, path in (("network", pod.network), ("ipc", pod.ipc), ("uts", pod.uts), ("user", pod.user)):
        if path:
            result.append({"type": kind, "path": path})
    if options.pid == CONTAINER:
        result.append({"type": "pid"})
    elif options.pid == POD:
        # A pod that never asked for a shared PID namespace has none: its containers get their own.
        result.append({"type": "pid", "path": pod.pid} if pod.pid else {"type": "pid"})
    elif options.pid == TARGET:
        if not target_pid:
            raise errors.FailedPrecondition(f"target container {options.target_id!r} is not running")
        result.append({"type": "pid", "path": f"/proc/{target_pid}/ns/pid"})
    return result
