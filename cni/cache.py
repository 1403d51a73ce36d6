"""Results on disk, so that DEL and CHECK know what ADD did: `DIR/results/NETWORK-CONTAINER-INTERFACE`.

The form is that of the reference library (kind cniCacheV1), so that both find each other's attachments.
"""

from __future__ import annotations

import os

from cni import documents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_DIRECTORY = "/var/lib/cni"
_KIND = "cniCacheV1"


class Cache:
    """The cached attachments below a directory."""

    __slots__ = ("_directory",)

    def __init__(self, directory: str = "") -> None:
        self._directory = f"{directory or DEFAULT_DIRECTORY}/results"

    def _path(self, network: str, container_id: str, ifname: str) -> str:
        return f"{self._directory}/{network}-{container_id}-{ifname}"

    def save(self, entry: dict[str, Any]) -> None:
        """Keep an attachment: networkName, containerId, ifName, netns, config, cniArgs, capabilityArgs, result."""
        from linux.files import atomic_write

        os.makedirs(self._directory, 0o700, exist_ok=True)
        path = self._path(entry["networkName"], entry["containerId"], entry["ifName"])
        atomic_write(path, documents.dumps({"kind": _KIND, **entry}).encode(), 0o600)

    def load(self, network: str, container_id: str, ifname: str) -> dict[str, Any] | None:
        """An attachment; None where there is none or its file is damaged."""
        return self._read(self._path(network, container_id, ifname))

    def remove(self, network: str, container_id: str, ifname: str) -> None:
        """Forget an attachment."""
        try:
            os.unlink(self._path(network, container_id, ifname))
        except FileNotFoundError:
            return

    def all(self) -> list[dict[str, Any]]:
        """All attachments."""
        try:
            names = sorted(os.listdir(self._directory))
        except FileNotFoundError:
            return []
        found = [self._read(f"{self._directory}/{name}") for name in names if not name.startswith(".")]
        return [entry for entry in found if entry is not None]

    @staticmethod
    def _read(path: str) -> dict[str, Any] | None:
        try:
            with open(path, "rb") as file:
                entry = documents.loads(file.read())
        except (OSError, ValueError):
            return None
        return entry if isinstance(entry, dict) and entry.get("kind") == _KIND else None
