"""Container log files: CRI lines parsed, tailed, followed across rotations; and the rotation itself is
`log_rotation`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from linux import inotify

POLL = 0.5
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What of a log is wanted."""

    follow: bool = False
    tail: int | None = None
    since: float | None = None
    timestamps: bool = False
    limit: int | None = None
    stream: str = ""
    """`stdout`, `stderr` or empty for both."""


def tail_offset(path: str, lines: int) -> int:
    """Byte offset at which the last `lines` lines begin."""
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        if lines <= 0:
            return end
        position, found = end, 0
        while position > 0:
            start = max(0, position - CHUNK)
            file.seek(start)
            block = file.read(position - start)
            if position == end and block.endswith(b"\n"):
                block = block[:-1]
            index = len(block)
            while (index := block.rfind(b"\n", 0, index)) >= 0:
                found += 1
                if found == lines:
                    return start + index + 1
            position = start
        return 0


def render(line: bytes, query: LogQuery, epoch: Callable[[str], float]) -> bytes | None:
    """One CRI line as the client gets it; None if it is filtered out."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 3:
        return None
    stamp, stream, tag = parts[:3]
    content = parts[3] if len(parts) > 3 else b""
    if query.stream and stream.decode() != query.stream:
        return None
    if query.since is not None and epoch(stamp.decode()) < query.since:
        return None
    body = content if tag.split(b":")[0] == b"P" else content + b"\n"
    return stamp + b" " + body if query.timestamps else body


def epoch_of(stamp: str) -> float:
    """Epoch seconds of an RFC 3339 time with nanoseconds."""
    from datetime import datetime

    head, dot, rest = stamp.partition(".")
    if not dot:
        return datetime.fromisoformat(stamp).timestamp()
    cut = next((i for i, c in enumerate(rest) if not c.isdigit()), len(rest))
    digits, zone = rest[:cut], rest[cut:].replace("Z", "+00:00") or "+00:00"
    return datetime.fromisoformat(head + zone).timestamp() + float(f"0.{digits or 0}")


async def read(path: str, query: LogQuery, running: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Chunks of the log; with `follow` until the container has ended and everything is read."""
    left = query.limit
    async for chunk in _chunks(path, query, running):
        if left is not None:
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return
        else:
            yield chunk


async def _chunks(path: str, query: LogQuery, running: Callable[[], bool]) -> AsyncIterator[bytes]:
    file = await _open(path, running, follow=query.follow)
    if file is None:
        return
    changes = _Changes(path) if query.follow else None
    try:
        if query.tail is not None:
            file.seek(tail_offset(path, query.tail))
        rest = b""
        while True:
            alive = running()
            data = file.read(CHUNK)
            if data:
                *lines, rest = (rest + data).split(b"\n")
                rendered = [r for line in lines if (r := render(line, query, epoch_of)) is not None]
                if rendered:
                    yield b"".join(rendered)
                continue
            if changes is None:
                return
            fresh = _rotated(path, file.fileno())
            if fresh is not None:
                file.close()
                file, rest = fresh, b""
                continue
            if not alive:
                return
            await changes.wait()
    finally:
        file.close()
        if changes is not None:
            changes.close()


async def _open(path: str, running: Callable[[], bool], *, follow: bool) -> BinaryIO | None:
    while True:
        try:
            return open(path, "rb")
        except FileNotFoundError:
            if not follow or not running():
                return None
            await asyncio.sleep(POLL)


def _rotated(path: str, descriptor: int) -> BinaryIO | None:
    """The new file, if the log was rotated under the reader."""
    try:
        if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
            return None
        return open(path, "rb")
    except FileNotFoundError:
        return None


class _Changes:
    """Wakes when the log's directory changes; its longest sleep bounds how late the container's end is noticed."""

    def __init__(self, path: str) -> None:
        self._inotify = inotify.Inotify()
        self._event = asyncio.Event()
        self._inotify.add_watch(os.path.dirname(path), inotify.IN_MODIFY | inotify.IN_CREATE | inotify.IN_MOVED_TO)
        asyncio.get_running_loop().add_reader(self._inotify.fd, self._readable)

    def _readable(self) -> None:
        self._inotify.read()
        self._event.set()

    async def wait(self) -> None:
        """Until something changes, or a moment has passed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), POLL)
        self._event.clear()

    def close(self) -> None:
        """Stop."""
        asyncio.get_running_loop().remove_reader(self._inotify.fd)
        self._inotify.close()


def container_log(root: Path, namespace: str, pod: str, uid: str, container: str, attempt: int) -> Path:
    """Where the kubelet lets the runtime write a container's log."""
    return root / f"{namespace}_{pod}_{uid}" / container / f"{attempt}.log"
