"""Control files that are held open between looks, since opening one costs ten times as much as reading it."""

from __future__ import annotations

import contextlib
import os
import resource
import threading
from collections.abc import Callable

_SIZE = 1 << 14


def half_of_our_descriptors() -> int:
    """How many files may be held, so that everything else has as many left."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft // 2


class ControlFiles:
    """Open files by group and name; those above the limit are opened for each look."""

    def __init__(self, locate: Callable[[str, str], str], limit: int) -> None:
        """``locate`` tells the path of a group's file."""
        self._locate = locate
        self._limit = limit
        self._groups: dict[str, dict[str, int]] = {}
        self._count = 0
        # Held while reading, too: a number that is closed meanwhile may be another file's by then.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many files are open."""
        return self._count

    def read(self, group: str, name: str) -> str:
        """A file's text; empty where it can't be read."""
        with self._lock:
            known = self._groups.get(group, {}).get(name)
            if known is not None:
                try:
                    return os.pread(known, _SIZE, 0).decode()
                except OSError:
                    # The group has gone. There may be a new one of the same name.
                    self._close(group)
            try:
                descriptor = os.open(self._locate(group, name), os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return ""
            try:
                text = os.pread(descriptor, _SIZE, 0).decode()
            except OSError:
                os.close(descriptor)
                return ""
            if self._count < self._limit:
                self._groups.setdefault(group, {})[name] = descriptor
                self._count += 1
            else:
                os.close(descriptor)
            return text

    def release(self, group: str) -> None:
        """Close the files of a group and of those below it."""
        with self._lock:
            for name in [name for name in self._groups if name == group or name.startswith(group.rstrip("/") + "/")]:
                self._close(name)

    def _close(self, group: str) -> None:
        for descriptor in self._groups.pop(group, {}).values():
            self._count -= 1
            with contextlib.suppress(OSError):
                os.close(descriptor)
