"""Names for what an attachment leaves in the kernel, so that DEL and GC find it again without any file.

Hashes, because a container id may be longer than a comment or a link's name can be.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def digest(*words: str, length: int = 16) -> str:
    """A short hash of some words."""
    from _blake2 import blake2b  # hashlib costs a fresh interpreter two milliseconds

    return blake2b("\0".join(words).encode(), digest_size=length // 2).hexdigest()


def network_mark(network: str) -> str:
    """What the marks of a network's attachments begin with."""
    return digest(network, length=12)


def mark(network: str, container_id: str, ifname: str) -> str:
    """The comment on rules and elements of an attachment."""
    return f"{network_mark(network)}-{digest(network, container_id, ifname, length=24)}"


def host_link_name(network: str, container_id: str, ifname: str) -> str:
    """The host end of an attachment's veth pair: the same for every call of that attachment."""
    return "veth" + digest(network, container_id, ifname, length=8)


def random_link_name(prefix: str = "veth") -> str:
    """A link name that nothing has."""
    return prefix + os.urandom(4).hex()


def valid_attachments(config: dict[str, Any]) -> list[tuple[str, str]]:
    """The (container id, interface) pairs that a GC call declares valid."""
    entries = config.get("cni.dev/valid-attachments")
    if entries is None:
        entries = config.get("cni.dev/attachments") or []
    return [(str(entry.get("containerID", "")), str(entry.get("ifname", ""))) for entry in entries]


def valid_marks(network: str, config: dict[str, Any]) -> set[str]:
    """The marks of the attachments that a GC call declares valid."""
    return {mark(network, container_id, ifname) for container_id, ifname in valid_attachments(config)}
