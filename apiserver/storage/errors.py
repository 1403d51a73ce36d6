"""What storage can answer besides data.

StorageError
├── KeyExistsError            a create met an existing key
├── KeyChangedError           a guarded write met another revision; carries what is there now
├── RevisionCompactedError    the asked revision is no longer kept
└── StorageUnavailableError   etcd can't be reached or doesn't answer in time
"""

from __future__ import annotations

from apiserver.storage.interface import KeyValue


class StorageError(Exception):
    """Anything storage refuses."""


class KeyExistsError(StorageError):
    """The key to create is already there."""


class KeyChangedError(StorageError):
    """The key is not at the revision the writer has seen."""

    def __init__(self, current: KeyValue | None) -> None:
        super().__init__("key changed")
        self.current = current


class RevisionCompactedError(StorageError):
    """The revision has been compacted away."""


class StorageUnavailableError(StorageError):
    """etcd does not answer."""
