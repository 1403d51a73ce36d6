"""Leases on disk, so that a daemon that is started anew goes on renewing them: a file for each, beside the socket.

A file names the namespace by its inode too: a path may stand for another container's namespace by then.
"""

from __future__ import annotations

import os

from cni import documents, state_file
from cni.attachment import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SUFFIX = ".json"


def _path(directory: str, client_id: str) -> str:
    return f"{directory}/{digest(client_id, length=32)}{_SUFFIX}"


def save(directory: str, record: dict[str, Any]) -> None:
    """Keep a lease's record; its key `clientID` says whose it is."""
    state_file.save(_path(directory, record["clientID"]), documents.dumps(record).encode())


def remove(directory: str, client_id: str) -> None:
    """Forget a lease."""
    state_file.remove(_path(directory, client_id))


def load(directory: str) -> list[dict[str, Any]]:
    """The records of leases whose namespaces are still there; the others are forgotten."""
    found = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        record = _read(f"{directory}/{name}") if name.endswith(_SUFFIX) else None
        if record is not None:
            found.append(record)
        else:
            state_file.remove(f"{directory}/{name}")
    return found


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            record = documents.loads(file.read())
        return dict(record) if inode(record["netns"]) == record["inode"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def inode(path: str) -> list[int]:
    """What tells a namespace from all others while it lives."""
    found = os.stat(path)
    return [found.st_dev, found.st_ino]


def hexadecimal(options: dict[int, bytes]) -> dict[str, str]:
    """DHCP options as JSON can hold them."""
    return {str(number): value.hex() for number, value in options.items()}


def options(held: dict[str, str]) -> dict[int, bytes]:
    """DHCP options from what JSON holds."""
    return {int(number): bytes.fromhex(value) for number, value in held.items()}
