"""Small files that belong to one attachment: whole or not there, and nothing left beside them.

Calls for one attachment don't overlap (the specification asks that of runtimes), so the temporary file has a fixed name
and is found again by whoever removes the file.
"""

from __future__ import annotations

import os

NEW = ".new"


def save(path: str, data: bytes) -> None:
    """Write a file, readable by its owner only; its directory is made."""
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    descriptor = os.open(path + NEW, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)
    os.rename(path + NEW, path)


def remove(path: str) -> None:
    """Remove a file, and what a call that was killed has left of it; passes where there is none."""
    for one in (path, path + NEW):
        try:
            os.unlink(one)
        except FileNotFoundError:
            continue
