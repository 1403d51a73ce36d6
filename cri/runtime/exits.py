"""Notices that containers end: conmon's exit files through inotify, and a pidfd per container behind it.

conmon writes the status into ``exits/ID`` by rename. Should conmon have been killed, no file ever comes; then the pidfd
of the container's first process tells, and the exit code is 255 as CRI-O's is. Nothing polls.
"""

import asyncio
import contextlib
import os
import pathlib
import signal
from collections.abc import Callable

from component.logging import get_logger
from component.tasks import Tasks
from cri.runtime import conmon
from linux import inotify, processes

_log = get_logger("exits")
GRACE = 5.0  # how long conmon may take to write the exit file after the process has gone
LOST_STATUS = 255
OnExit = Callable[[str, int, int], None]


class ExitWatcher:
    """Calls ``on_exit(container id, exit code, time in ns)`` once per watched container."""

    def __init__(self, directory: pathlib.Path, tasks: Tasks, on_exit: OnExit) -> None:
        """Watch ``directory``; ``start`` begins."""
        self._directory = directory
        self._tasks = tasks
        self._on_exit = on_exit
        self._pidfds: dict[str, int] = {}
        self._inotify: inotify.Inotify | None = None

    @property
    def directory(self) -> pathlib.Path:
        """Where conmon writes exit files."""
        return self._directory

    def start(self) -> None:
        """Begin to listen for exit files."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._inotify = inotify.Inotify()
        self._inotify.add_watch(str(self._directory), inotify.IN_MOVED_TO | inotify.IN_CLOSE_WRITE)
        asyncio.get_running_loop().add_reader(self._inotify.fd, self._read_events)

    def close(self) -> None:
        """Stop listening."""
        loop = asyncio.get_running_loop()
        if self._inotify is not None:
            loop.remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None
        for container_id in list(self._pidfds):
            self._unwatch(container_id)

    def watch(self, container_id: str, pid: int) -> None:
        """Watch a container's first process; reports at once if it has already ended."""
        try:
            descriptor = processes.pidfd_open(pid)
        except OSError:
            self._tasks.spawn(self._report_soon(container_id), name=f"exit-{container_id[:12]}")
            return
        self._pidfds[container_id] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._gone, container_id)
        if conmon.exit_status(self._directory, container_id) is not None:
            self._report(container_id)

    def signal(self, container_id: str, number: int) -> bool:
        """Send a signal to a watched container's first process, never to a stranger with a reused pid."""
        descriptor = self._pidfds.get(container_id)
        if descriptor is None:
            return False
        try:
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        return True

    def forget(self, container_id: str) -> None:
        """Drop everything about a container, its exit file too."""
        self._unwatch(container_id)
        (self._directory / container_id).unlink(missing_ok=True)

    def _read_events(self) -> None:
        if self._inotify is None:
            return
        for event in self._inotify.read():
            if event.name in self._pidfds:
                self._report(event.name)

    def _gone(self, container_id: str) -> None:
        """The first process has ended: the exit file follows, unless conmon was killed."""
        descriptor = self._pidfds.get(container_id)
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            self._tasks.spawn(self._report_soon(container_id), name=f"exit-{container_id[:12]}")

    async def _report_soon(self, container_id: str) -> None:
        deadline = asyncio.get_running_loop().time() + GRACE
        pause = 0.002
        while conmon.exit_status(self._directory, container_id) is None:
            if asyncio.get_running_loop().time() > deadline:
                _log.warning("No exit file, is conmon gone?", container=container_id)
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.2)
        self._report(container_id, even_unwatched=True)

    def _report(self, container_id: str, *, even_unwatched: bool = False) -> None:
        if not even_unwatched and container_id not in self._pidfds:
            return
        self._unwatch(container_id)
        status = conmon.exit_status(self._directory, container_id)
        code, when = status if status is not None else (LOST_STATUS, 0)
        self._on_exit(container_id, code, when)

    def _unwatch(self, container_id: str) -> None:
        descriptor = self._pidfds.pop(container_id, None)
        if descriptor is not None:
            with contextlib.suppress(OSError, ValueError):
                asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
