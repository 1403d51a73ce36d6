"""The audit log as a file of lines, rotated by size, with old files kept by number and age.

Old files are named as upstream's: `audit-2026-11-27T20-47-05.123.log`, with `.gz` when they are compressed.
"""

from __future__ import annotations

import gzip
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from component.clock import Clock

_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is put away, and how long old ones are kept; zeros mean without limit."""

    most_bytes: int = 0
    most_days: int = 0
    most_files: int = 0
    compress: bool = False


class AuditFile:
    """Appends lines. `-` stands for standard output."""

    def __init__(self, path: str, rotation: Rotation, clock: Clock) -> None:
        self._path = path
        self._rotation = rotation
        self._clock = clock
        self._file: IO[bytes] = self._open()

    def _open(self) -> IO[bytes]:
        if self._path == "-":
            return os.fdopen(os.dup(1), "ab", buffering=0)
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return os.fdopen(descriptor, "ab", buffering=0)

    def write(self, line: bytes) -> None:
        """Append a line; OSError."""
        most = self._rotation.most_bytes
        if self._path != "-" and most and self._file.tell() and self._file.tell() + len(line) > most:
            self._rotate()
        self._file.write(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        path, now = Path(self._path), self._clock.now()
        stamp = now.strftime("%Y-%m-%dT%H-%M-%S.") + f"{now.microsecond // 1000:03d}"
        old = path.with_name(f"{path.stem}-{stamp}{path.suffix}")
        os.replace(path, old)
        self._file = self._open()
        if self._rotation.compress:
            with old.open("rb") as plain, gzip.open(f"{old}.gz", "wb") as packed:
                shutil.copyfileobj(plain, packed)
            old.unlink()
        self._forget()

    def _forget(self) -> None:
        """Remove what is too old or too much."""
        path, rotation = Path(self._path), self._rotation
        found = sorted(path.parent.glob(f"{path.stem}-*{path.suffix}*"), key=lambda one: one.name, reverse=True)
        oldest = self._clock.now().timestamp() - rotation.most_days * _DAY
        for index, old in enumerate(found):
            too_many = rotation.most_files and index >= rotation.most_files
            if too_many or (rotation.most_days and old.stat().st_mtime < oldest):
                old.unlink(missing_ok=True)
