"""Results on disk, so that DEL and CHECK know what ADD did: `DIR/results/NETWORK-CONTAINER-INTERFACE`.

The form is that of the reference library (kind cniCacheV1), so that both find each other's attachments.
"""

from __future__ import annotations

import os
import time

from cni import documents, state_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_DIRECTORY = "/var/lib/cni"
_KIND = "cniCacheV1"
_STALE_SECONDS = 60.0


class Cache:
    """The cached attachments below a directory."""

    __slots__ = ("_directory",)

    def __init__(self, directory: str = "") -> None:
        self._directory = f"{directory or DEFAULT_DIRECTORY}/results"

    def _path(self, network: str, container_id: str, ifname: str) -> str:
        return f"{self._directory}/{network}-{container_id}-{ifname}"

    def save(self, entry: dict[str, Any]) -> None:
        """Keep an attachment: networkName, containerId, ifName, netns, config, cniArgs, capabilityArgs, result."""
        path = self._path(entry["networkName"], entry["containerId"], entry["ifName"])
        state_file.save(path, documents.dumps({"kind": _KIND, **entry}).encode())

    def load(self, network: str, container_id: str, ifname: str) -> dict[str, Any] | None:
        """An attachment; None where there is none or its file is damaged."""
        return self._read(self._path(network, container_id, ifname))

    def remove(self, network: str, container_id: str, ifname: str) -> None:
        """Forget an attachment."""
        state_file.remove(self._path(network, container_id, ifname))

    def all(self) -> list[dict[str, Any]]:
        """All attachments."""
        try:
            names = sorted(os.listdir(self._directory))
        except FileNotFoundError:
            return []
        found = [self._read(f"{self._directory}/{name}") for name in names if not name.endswith(state_file.NEW)]
        return [entry for entry in found if entry is not None]

    def sweep(self) -> None:
        """Remove what calls that were killed have left, once it is old enough that no living call can be writing it."""
        try:
            names = os.listdir(self._directory)
        except FileNotFoundError:
            return
        for name in names:
            path = f"{self._directory}/{name}"
            try:
                if name.endswith(state_file.NEW) and time.time() - os.stat(path).st_mtime > _STALE_SECONDS:
                    os.unlink(path)
            except FileNotFoundError:
                continue

    @staticmethod
    def _read(path: str) -> dict[str, Any] | None:
        try:
            with open(path, "rb") as file:
                entry = documents.loads(file.read())
        except (OSError, ValueError):
            return None
        return entry if isinstance(entry, dict) and entry.get("kind") == _KIND else None
