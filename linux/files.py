"""Files that are whole or not there, and locks that the kernel frees when their holder dies."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def atomic_write(path: str | Path, data: bytes, mode: int = 0o644, *, sync: bool = False) -> None:
    """Write a file so that readers see the old or the new content, never a part.

    Args:
        path: The file; a temporary one is made beside it.
        data: Its content.
        mode: Its permissions, whatever the umask.
        sync: Wait until it is on disk (file and directory).

    Raises:
        OSError: nothing is changed then.
    """
    target = Path(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        os.fchmod(descriptor, mode)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if sync:
            os.fsync(descriptor)
        os.close(descriptor)
        descriptor = -1
        os.rename(temporary, target)
    except BaseException:
        if descriptor >= 0:
            os.close(descriptor)
        Path(temporary).unlink(missing_ok=True)
        raise
    if sync:
        sync_directory(target.parent)


def sync_directory(path: str | Path) -> None:
    """Wait until a directory's entries are on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def file_lock(path: str | Path) -> Iterator[None]:
    """Hold an exclusive lock (flock) while in the block; waits for it. The lock's file is gone afterwards."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Whoever held it before has unlinked it: then this is a lock on a file that nobody else will see.
            if os.fstat(descriptor).st_nlink:
                try:
                    yield
                finally:
                    Path(path).unlink(missing_ok=True)
                return
        finally:
            os.close(descriptor)


flock = file_lock
