"""Remembers which pulls the disk may not have yet.

containers/storage brings its records to the disk at once, but not the files of a layer: a loss of power within the
next half minute leaves layers that are on record, and empty files in them. So each pull leaves an entry before it
begins; the entry goes when the file system has been synced after it. An entry from before a reboot tells the next start
since when layers are not to be trusted. Blocks; call it in a thread.
"""

import contextlib
import ctypes
import os
import pathlib
import secrets
import time

_BOOT = pathlib.Path("/proc/sys/kernel/random/boot_id")
_libc = ctypes.CDLL(None, use_errno=True)


class Journal:
    """The entries of one store."""

    def __init__(self, store: pathlib.Path) -> None:
        """Keep entries below the store's root."""
        self._store = store
        self._directory = store / "unsynced-pulls"

    def begin(self) -> pathlib.Path:
        """Write an entry; it is on the disk when this returns."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        entry = self._directory / f"{time.time():.0f}-{secrets.token_hex(4)}"
        descriptor = os.open(entry, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, _BOOT.read_bytes())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._sync_directory()
        return entry

    def settle(self, *entries: pathlib.Path) -> None:
        """Bring everything to the disk, then drop the entries; without an entry there is nothing to do."""
        if not entries:
            return
        descriptor = os.open(self._store, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if _libc.syncfs(descriptor):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(self._store))
        finally:
            os.close(descriptor)
        for entry in entries:
            entry.unlink(missing_ok=True)

    def open_entries(self) -> list[pathlib.Path]:
        """Entries of an earlier life."""
        return sorted(self._directory.iterdir()) if self._directory.is_dir() else []

    def lost_since(self) -> float | None:
        """Since when layers may lack content: the oldest entry from before the last boot; None if there is none."""
        boot = _BOOT.read_bytes()
        times = []
        for entry in self.open_entries():
            # An entry that is empty was cut off itself, so it is from before the reboot.
            if entry.read_bytes() != boot:
                with contextlib.suppress(ValueError):
                    times.append(float(entry.name.partition("-")[0]))
        return min(times, default=None)

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
