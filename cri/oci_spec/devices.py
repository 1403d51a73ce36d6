"""Device nodes of a container and what its device cgroup lets it do. Pure: nodes of the host come in as facts."""

import dataclasses
from typing import Any

from cri import errors


@dataclasses.dataclass(frozen=True, slots=True)
class DeviceNode:
    """A device of the host, and where the container sees it."""

    path: str
    type: str  # "c" or "b"
    major: int
    minor: int
    mode: int
    uid: int
    gid: int
    permissions: str = "rwm"


# The OCI runtimes make these nodes themselves; the cgroup rules are theirs to name as well as ours.
_STANDARD = (
    ("c", 1, 3),  # null
    ("c", 1, 5),  # zero
    ("c", 1, 7),  # full
    ("c", 1, 8),  # random
    ("c", 1, 9),  # urandom
    ("c", 5, 0),  # tty
    ("c", 5, 1),  # console
    ("c", 5, 2),  # ptmx
)


def check_permissions(permissions: str) -> str:
    """Validate ``rwm``; an empty string means all three.

    Raises:
        InvalidArgument: another letter is in it.
    """
    if not permissions:
        return "rwm"
    if set(permissions) - set("rwm"):
        raise errors.InvalidArgument(f"invalid device permissions {permissions!r}: only r, w and m are known")
    return permissions


def linux_devices(nodes: list[DeviceNode]) -> list[dict[str, Any]]:
    """``linux.devices``: the last one asked for at a path wins."""
    by_path = {node.path: node for node in nodes}
    return [
        {
            "path": node.path,
            "type": node.type,
            "major": node.major,
            "minor": node.minor,
            "fileMode": node.mode & 0o7777,
            "uid": node.uid,
            "gid": node.gid,
        }
        for node in by_path.values()
    ]


def cgroup_rules(nodes: list[DeviceNode], *, everything: bool) -> list[dict[str, Any]]:
    """``linux.resources.devices``."""
    if everything:
        return [{"allow": True, "access": "rwm"}]
    rules: list[dict[str, Any]] = [
        {"allow": False, "access": "rwm"},
        # mknod is harmless as long as the node can not be opened.
        {"allow": True, "type": "c", "access": "m"},
        {"allow": True, "type": "b", "access": "m"},
    ]
    rules.extend(
        {"allow": True, "type": kind, "major": major, "minor": minor, "access": "rwm"}
        for kind, major, minor in _STANDARD
    )
    rules.append({"allow": True, "type": "c", "major": 136, "access": "rwm"})  # pseudo terminals
    rules.extend(
        {"allow": True, "type": n.type, "major": n.major, "minor": n.minor, "access": n.permissions} for n in nodes
    )
    return rules
