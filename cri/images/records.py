"""The JSON files of containers/storage, read without locks and written under them.

Files are replaced by rename, so a reader always sees a whole one; it reads again only when the lock file names another
last writer. Unknown keys of a record survive a rewrite. Newer store versions keep some records in a second file
(``volatile-layers.json``, ``volatile-containers.json``); they are merged on reading, and each record is written back to
the file it came from.
"""

import os
import pathlib
from typing import Any

import orjson

from cri import errors
from cri.images.locks import StoreLocks

Record = dict[str, Any]


class RecordFile:
    """One list of records, its volatile twin and its lock."""

    def __init__(self, locks: StoreLocks, path: pathlib.Path, lock: pathlib.Path, *, durable: bool = True) -> None:
        """Describe the file; ``durable`` asks for fsync before the rename."""
        self._locks = locks
        self.path = path
        self.lock = lock
        self._twin = path.with_name("volatile-" + path.name)
        self._durable = durable
        self._stamp: bytes | None = None
        self._records: list[Record] = []
        self._volatile: set[str] = set()

    @property
    def paths(self) -> tuple[pathlib.Path, pathlib.Path]:
        """The file and its volatile twin; either may be missing."""
        return self.path, self._twin

    def replace(self, path: pathlib.Path, records: list[Record]) -> None:
        """Write one of ``paths`` anew; the caller holds the lock."""
        self._locks.sign(self.lock)
        self._replace(path, records)

    @property
    def version(self) -> bytes | None:
        """Changes whenever the records may have changed."""
        self.read()
        return self._stamp

    def read(self) -> list[Record]:
        """The records as of now. Callers must not change them outside ``write``."""
        for _ in range(10):
            stamp = self._locks.stamp(self.lock)
            if stamp == self._stamp and stamp:
                return self._records
            records = _load(self.path)
            volatile = _load(self._twin)
            if self._locks.stamp(self.lock) == stamp:
                self._records = records + volatile
                self._volatile = {r["id"] for r in volatile}
                self._stamp = stamp
                return self._records
        return self._records

    def reload(self) -> list[Record]:
        """Read again even if the lock file says that nothing changed (a crash may have come in between)."""
        self._stamp = None
        return self.read()

    def write(self, records: list[Record]) -> None:
        """Replace the records; the caller holds the lock and has just read them."""
        self._locks.sign(self.lock)
        volatile = [r for r in records if r.get("id") in self._volatile]
        if volatile or self._volatile:
            self._replace(self._twin, volatile)
        self._replace(self.path, [r for r in records if r.get("id") not in self._volatile])
        self._records = records
        self._stamp = self._locks.stamp(self.lock)

    def _replace(self, path: pathlib.Path, records: list[Record]) -> None:
        temporary = path.with_name(f".tmp-{path.name}")
        try:
            with open(temporary, "wb", opener=_private) as stream:
                stream.write(orjson.dumps(records))
                stream.flush()
                if self._durable:
                    os.fdatasync(stream.fileno())
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        temporary.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _load(path: pathlib.Path) -> list[Record]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    if not data:
        return []
    try:
        records: list[Record] | None = orjson.loads(data)
    except ValueError as error:
        raise errors.Internal(f"{path} is damaged: {error}") from error
    return records or []
