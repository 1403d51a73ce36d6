"""fsGroup on writable volumes: group and permission bits of everything below a directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

READ_WRITE = 0o660
EXECUTE = 0o110


def set_group(directory: Path, group: int | None, *, policy: str | None = None) -> None:
    """Give all files to the group, readable and writable; directories get the setgid bit."""
    if group is None:
        return
    if policy == "OnRootMismatch" and _matches(directory, group):
        return
    for base, names, files in os.walk(directory, topdown=False):
        for name in [*files, *names]:
            _one(os.path.join(base, name), group)
    _one(str(directory), group)


def _matches(directory: Path, group: int) -> bool:
    info = directory.stat()
    return info.st_gid == group and info.st_mode & 0o2770 == 0o2770


def _one(path: str, group: int) -> None:
    info = os.lstat(path)
    os.chown(path, -1, group, follow_symlinks=False)
    if stat.S_ISLNK(info.st_mode):
        return
    mode = stat.S_IMODE(info.st_mode) | READ_WRITE
    if stat.S_ISDIR(info.st_mode):
        mode |= EXECUTE | stat.S_ISGID
    os.chmod(path, mode)
