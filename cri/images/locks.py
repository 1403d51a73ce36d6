"""The lock files of containers/storage, obeyed as podman, buildah and skopeo do.

They are POSIX record locks on whole files (``F_SETLKW``), which belong to the process: closing *any* descriptor of such
a file drops them. So this process keeps one descriptor per lock file for ever, and one thread at a time may hold the
store's locks. The first 64 bytes of a lock file name its last writer: equal bytes mean that what was read is still
true, which is a cache test for the price of one ``pread``.
"""

import contextlib
import fcntl
import os
import pathlib
import struct
import threading
import time
from collections.abc import Iterator

_STAMP = struct.Struct("<QQI")
_STAMP_SIZE = 64


class StoreLocks:
    """Lock files of one store, by path."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._descriptors: dict[pathlib.Path, int] = {}
        self._opening = threading.Lock()
        self._writer = threading.RLock()
        self._counter = 0

    def _descriptor(self, path: pathlib.Path) -> int:
        with self._opening:
            descriptor = self._descriptors.get(path)
            if descriptor is None:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                self._descriptors[path] = descriptor
            return descriptor

    def stamp(self, path: pathlib.Path) -> bytes:
        """Who wrote last; needs no lock."""
        return os.pread(self._descriptor(path), _STAMP_SIZE, 0)

    @contextlib.contextmanager
    def exclusive(self, *paths: pathlib.Path, patience: float | None = None) -> Iterator[None]:
        """Hold lock files for writing, in the order given, against threads and processes.

        Args:
            paths: The lock files.
            patience: How many seconds to wait for other processes; without it, as long as it takes.

        Raises:
            BlockingIOError: another process held one for longer than that.
        """
        deadline = None if patience is None else time.monotonic() + patience
        with self._writer, contextlib.ExitStack() as stack:
            for path in paths:
                descriptor = self._descriptor(path)
                _lock(descriptor, deadline)
                stack.callback(fcntl.lockf, descriptor, fcntl.LOCK_UN)
            yield

    def sign(self, path: pathlib.Path) -> None:
        """Name ourselves the last writer; called before the data changes, so that a crash costs only a reload."""
        self._counter += 1
        head = _STAMP.pack(time.time_ns(), self._counter, os.getpid())
        os.pwrite(self._descriptor(path), head + os.urandom(_STAMP_SIZE - len(head)), 0)

    def close(self) -> None:
        """Close every descriptor, and with them drop every lock."""
        with self._opening:
            for descriptor in self._descriptors.values():
                os.close(descriptor)
            self._descriptors.clear()


def _lock(descriptor: int, deadline: float | None) -> None:
    if deadline is None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        return
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
