"""inotify(7): changes of files and directories as events on a descriptor, for use with an event loop's add_reader."""

import ctypes
import os
import struct
from dataclasses import dataclass

_LIBC = ctypes.CDLL(None, use_errno=True)

IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
_HEADER = struct.Struct("iIII")
_BUFFER = 65536


@dataclass(frozen=True, slots=True)
class InotifyEvent:
    """One change.

    Attributes:
        watch: The watch it belongs to.
        mask: What happened, as IN_* bits; IN_Q_OVERFLOW means that events were lost.
        name: The entry's name, for watched directories.
    """

    watch: int
    mask: int
    name: str


class Inotify:
    """An inotify descriptor; close it, or use it as a context manager."""

    def __init__(self) -> None:
        self.fd: int = _LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"inotify_init1: {os.strerror(number)}")

    def fileno(self) -> int:
        """The descriptor, readable when there are events."""
        return self.fd

    def add_watch(self, path: str, mask: int) -> int:
        """Watch a file or directory; returns the watch's number.

        Raises:
            OSError: naming the path.
        """
        watch: int = _LIBC.inotify_add_watch(self.fd, os.fsencode(path), mask)
        if watch < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"inotify_add_watch: {os.strerror(number)}", path)
        return watch

    def remove_watch(self, watch: int) -> None:
        """Stop a watch; passes where it has gone with its file."""
        _LIBC.inotify_rm_watch(self.fd, watch)

    def read(self) -> list[InotifyEvent]:
        """The events that are there now; an empty list where there are none."""
        try:
            data = os.read(self.fd, _BUFFER)
        except BlockingIOError:
            return []
        found = []
        offset = 0
        while offset < len(data):
            watch, mask, _, length = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size
            name = data[offset : offset + length].rstrip(b"\0")
            offset += length
            found.append(InotifyEvent(watch, mask, os.fsdecode(name)))
        return found

    def close(self) -> None:
        """Give the descriptor back."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> "Inotify":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
