"""What storage can answer besides data.

StorageError
├── KeyExists            a create met an existing key
├── KeyChanged           a guarded write met another revision; carries what is there now
├── RevisionCompacted    the asked revision is no longer kept
└── StorageUnavailable   etcd can't be reached or doesn't answer in time
"""

from __future__ import annotations

from apiserver.storage.interface import KeyValue


class StorageError(Exception):
    """Anything storage refuses."""


class KeyExists(StorageError):
    """The key to create is already there."""


class KeyChanged(StorageError):
    """The key is not at the revision the writer has seen."""

    def __init__(self, current: KeyValue | None) -> None:
        super().__init__("key changed")
        self.current = current


class RevisionCompacted(StorageError):
    """The revision has been compacted away."""


class StorageUnavailable(StorageError):
    """etcd does not answer."""
