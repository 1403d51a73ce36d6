"""Runs skopeo: each copy in a scratch directory of its own, watched for progress.

A copy that moves no bytes for ``pull_progress_timeout`` is ended, so that a registry that has fallen silent holds up
nobody for ever (the kubelet sets no time limit on pulls). skopeo itself holds the lock of its scratch directory: what a
killed one leaves is found by the free lock, while one that outlived us may finish.
"""

import asyncio
import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator

from component.logging import get_logger
from cri import errors

_log = get_logger("images")
_REPORT_EVERY = 10.0  # seconds, where no time-out asks for less
_LEAST = 1024  # bytes that count as progress; less is the chatter of threads among themselves


class Progress:
    """Since when nothing has moved. Pure."""

    def __init__(self, now: float) -> None:
        """Begin at ``now``."""
        self._moved = 0
        self._since = now

    def idle(self, moved: int, now: float) -> float:
        """Seconds without progress, given all bytes moved so far; they fall when a child process ends."""
        if abs(moved - self._moved) >= _LEAST:
            self._moved, self._since = moved, now
        return now - self._since


class Skopeo:
    """The program, and where its copies keep their temporary files."""

    def __init__(self, program: str, scratch: pathlib.Path, stall: float) -> None:
        """Use ``program``; ``stall`` is how many seconds a copy may rest, 0 is for ever."""
        self.program = program
        self._scratch = scratch
        self._stall = stall

    async def run(self, arguments: list[str], name: str) -> tuple[int, str]:
        """Run it; returns its exit code and what it complained of.

        Raises:
            Internal: it cannot be run.
            PullFailed: it made no progress for too long.
        """
        with self._directory() as (directory, lock):
            try:
                process = await asyncio.create_subprocess_exec(
                    self.program,
                    *arguments,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    env={**os.environ, "TMPDIR": str(directory)},
                    pass_fds=(lock,),
                    start_new_session=True,
                )
            except OSError as error:
                raise errors.Internal(
                    f"cannot run {self.program}: {error.strerror} (apt-get install skopeo)"
                ) from error
            try:
                words = await self._attend(process, directory, name)
            except (asyncio.CancelledError, errors.CRIError):
                _end(process)
                await process.wait()
                raise
            return process.returncode or 0, words

    async def _attend(self, process: asyncio.subprocess.Process, directory: pathlib.Path, name: str) -> str:
        """Wait for the end; say now and then how far it is."""
        ending = asyncio.ensure_future(process.communicate())
        interval = min(_REPORT_EVERY, self._stall / 10 or _REPORT_EVERY)
        progress = Progress(time.monotonic())
        try:
            while not (await asyncio.wait({ending}, timeout=interval))[0]:
                moved = await asyncio.to_thread(bytes_moved, process.pid)
                idle = progress.idle(moved, time.monotonic())
                if self._stall and idle >= self._stall:
                    raise errors.PullFailed(f"RegistryUnavailable: {name}: no progress for {self._stall:g} seconds")
                size = await asyncio.to_thread(_size, directory)
                _log.info("Pulling image", image=name, downloaded=size, idle_seconds=round(idle, 1))
            return ending.result()[1].decode("utf-8", "replace")
        finally:
            ending.cancel()

    @contextlib.contextmanager
    def _directory(self) -> Iterator[tuple[pathlib.Path, int]]:
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory = pathlib.Path(tempfile.mkdtemp(prefix="copy-", dir=self._scratch))
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield directory, lock
        finally:
            os.close(lock)
            shutil.rmtree(directory, ignore_errors=True)

    def clean(self) -> None:
        """Delete scratch directories whose copies have died."""
        for directory in self._scratch.glob("copy-*"):
            with contextlib.suppress(OSError):
                lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(directory, ignore_errors=True)
                finally:
                    os.close(lock)


def bytes_moved(pid: int) -> int:
    """Bytes that a process and its living children read and wrote so far, from sockets and pipes too."""
    total = 0
    with contextlib.suppress(OSError, ValueError):
        for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines():
            key, _, number = line.partition(": ")
            if key in ("rchar", "wchar"):
                total += int(number)
    with contextlib.suppress(OSError):
        for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError, ValueError):
                total += sum(bytes_moved(int(child)) for child in (thread / "children").read_text().split())
    return total


def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _size(directory: pathlib.Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total
