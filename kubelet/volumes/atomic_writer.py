"""Writes a set of files so that readers see either the old set or the new one.

Files live in a time-stamped directory; `..data` is a symlink to it, swapped by rename; each top-level name is a
symlink through `..data`.
Applications and the conformance suite rely on this layout.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

DATA = "..data"


@dataclass(frozen=True, slots=True)
class File:
    """Content, permission bits and owner of one projected file."""

    data: bytes
    mode: int = 0o644
    uid: int | None = None


class PathError(Exception):
    """A projected path leaves its volume."""


def check_path(path: str) -> None:
    """Refuse absolute paths and `..`.

    Raises:
        PathError: with the offending path.
    """
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
        raise PathError(f"invalid path: {path!r}: must be relative and not contain '..'")


def write(target: Path, payload: dict[str, File], group: int | None = None) -> bool:
    """Make the volume hold exactly `payload`. `group`: fsGroup. Returns whether anything changed."""
    for path in payload:
        check_path(path)
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(0o777 if group is None else 0o2777)
    if group is not None:
        os.chown(target, -1, group)
    current = _current(target)
    if current is not None and _same(current, payload, group):
        _link_names(target, payload)
        return False
    fresh = target / f"..{datetime.now(UTC).strftime('%Y_%m_%d_%H_%M_%S')}.{int.from_bytes(os.urandom(4), 'big')}"
    fresh.mkdir(mode=0o755)
    _set_directory(fresh, group)
    for path, file in payload.items():
        _write_one(fresh, path, file, group)
    temporary = target / "..data_tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(fresh.name)
    temporary.rename(target / DATA)
    _link_names(target, payload)
    if current is not None:
        shutil.rmtree(current, ignore_errors=True)
    return True


def _set_directory(path: Path, group: int | None) -> None:
    path.chmod(0o755 if group is None else 0o2775)
    if group is not None:
        os.chown(path, -1, group)


def _current(target: Path) -> Path | None:
    try:
        return target / (target / DATA).readlink()
    except OSError:
        return None


def effective_mode(mode: int, group: int | None) -> int:
    """Permission bits; with an fsGroup, the group may read (projected volumes are read-only)."""
    return mode if group is None else mode | 0o440


def _same(current: Path, payload: dict[str, File], group: int | None) -> bool:
    found = {str(Path(base, name).relative_to(current)) for base, _, names in os.walk(current) for name in names}
    if found != set(payload):
        return False
    for path, file in payload.items():
        full = current / path
        info = full.stat()
        if stat.S_IMODE(info.st_mode) != effective_mode(file.mode, group) or info.st_size != len(file.data):
            return False
        if full.read_bytes() != file.data:
            return False
    return True


def _write_one(base: Path, path: str, file: File, group: int | None) -> None:
    full = base / path
    for parent in reversed(full.relative_to(base).parents[:-1]):
        directory = base / parent
        if not directory.exists():
            directory.mkdir(mode=0o755)
            _set_directory(directory, group)
    descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        view = memoryview(file.data)
        while view:
            view = view[os.write(descriptor, view) :]
        if file.uid is not None or group is not None:
            os.fchown(descriptor, -1 if file.uid is None else file.uid, -1 if group is None else group)
        os.fchmod(descriptor, effective_mode(file.mode, group))
    finally:
        os.close(descriptor)


def _link_names(target: Path, payload: dict[str, File]) -> None:
    wanted = {path.split("/", 1)[0] for path in payload}
    for entry in os.scandir(target):
        if not entry.name.startswith("..") and entry.name not in wanted:
            Path(entry.path).unlink(missing_ok=True)
    for name in wanted:
        link = target / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")
