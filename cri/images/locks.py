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
    def exclusive(self, *paths: pathlib.Path) -> Iterator[None]:
        """Hold lock files for writing, in the order given, against threads and processes."""
        with self._writer, contextlib.ExitStack() as stack:
            for path in paths:
                descriptor = self._descriptor(path)
                fcntl.lockf(descriptor, fcntl.LOCK_EX)
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
