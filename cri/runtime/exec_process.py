"""A process that the OCI runtime runs in a container for us (``exec``), with its stdio on our descriptors.

Started by ``posix_spawn``, which neither copies this process nor runs anything of it in the child. Its end is noticed
through a pidfd; killing it kills what it started inside the container as well.
"""

import asyncio
import contextlib
import fcntl
import os
import pathlib
import signal
import struct
import termios
import tty

from cri.runtime.descriptors import Descriptor
from linux import processes

_NULL = "/dev/null"
_UNTIL_BEGUN = 0.005


class ExecProcess:
    """A running command."""

    def __init__(self, pid: int, pid_file: pathlib.Path) -> None:
        """Take over a child that was just spawned."""
        self._pid = pid
        self._pid_file = pid_file
        self._code: int | None = None
        self.stdin: Descriptor | None = None
        self.stdout: Descriptor | None = None
        self.stderr: Descriptor | None = None
        self._terminal = -1
        self.last_words = ""  # what it, or the runtime in its place, printed last

    @classmethod
    def with_pipes(cls, command: list[str], pid_file: pathlib.Path, *, stdin: bool) -> "ExecProcess":
        """Start with pipes for output, and for input if asked."""
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        in_read, in_write = os.pipe() if stdin else (-1, -1)
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_DUP2, in_read, 0) if stdin else (os.POSIX_SPAWN_OPEN, 0, _NULL, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, out_write, 1),
            (os.POSIX_SPAWN_DUP2, err_write, 2),
        ]
        try:
            self = cls(_spawn(command, actions), pid_file)
        except OSError:
            for descriptor in (out_read, err_read, in_write):
                if descriptor >= 0:
                    os.close(descriptor)
            raise
        finally:
            for descriptor in (out_write, err_write, in_read):
                if descriptor >= 0:
                    os.close(descriptor)
        self.stdout, self.stderr = Descriptor(out_read), Descriptor(err_read)
        self.stdin = Descriptor(in_write) if stdin else None
        return self

    @classmethod
    def with_terminal(cls, command: list[str], pid_file: pathlib.Path) -> "ExecProcess":
        """Start with a pseudo terminal; the runtime passes bytes and sizes on to the container's own one."""
        master, slave = os.openpty()
        tty.setraw(slave)
        path = os.ttyname(slave)
        # Opening it as leader of a new session makes it the controlling terminal, so that a change of size is
        # signalled to the runtime.
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, 0, path, os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
        ]
        try:
            self = cls(_spawn(command, actions), pid_file)
        except OSError:
            os.close(master)
            raise
        finally:
            os.close(slave)
        self._terminal = master
        self.stdin = Descriptor(os.dup(master))
        self.stdout = Descriptor(master)
        return self

    async def resize(self, rows: int, columns: int) -> None:
        """Change the terminal's size.

        The runtime copies the size of our terminal to the container's own one when it makes that, and later on
        SIGWINCH. Between the two (tens of ms) it hears of no change, so the container's terminal is set as well.
        """
        if self._terminal < 0:
            return
        _set_size(self._terminal, rows, columns)
        while not self.began:  # noqa: ASYNC110  a file that the runtime writes
            await asyncio.sleep(_UNTIL_BEGUN)
        with contextlib.suppress(OSError, ValueError):
            path = f"/proc/{int(self._pid_file.read_text())}/fd/0"
            descriptor = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                _set_size(descriptor, rows, columns)
            finally:
                os.close(descriptor)

    @property
    def began(self) -> bool:
        """Whether the runtime got as far as making the process in the container."""
        try:
            return self._pid_file.stat().st_size > 0
        except OSError:
            return False

    async def wait(self) -> int:
        """Wait for the end; returns the exit code as a shell counts it."""
        if self._code is None:
            descriptor = processes.pidfd_open(self._pid)
            ended = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.add_reader(descriptor, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)
            self._reap()
        return self._code if self._code is not None else 255

    def _reap(self) -> None:
        if self._code is None:
            _, status = os.waitpid(self._pid, 0)
            code = os.waitstatus_to_exitcode(status)
            self._code = code if code >= 0 else 128 - code

    def close(self) -> None:
        """Kill what still runs, reap it, and close our ends."""
        if self._code is None:
            with contextlib.suppress(OSError, ValueError):
                processes.kill_tree(int(self._pid_file.read_text()), signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._reap()
        for descriptor in (self.stdin, self.stdout, self.stderr):
            if descriptor is not None:
                descriptor.close()
        self._terminal = -1


def _set_size(terminal: int, rows: int, columns: int) -> None:
    with contextlib.suppress(OSError):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _spawn(command: list[str], actions: list[tuple[int, ...] | tuple[int, int, str, int, int]]) -> int:
    return os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=actions,
        setsid=True,
        setsigdef=[signal.SIGPIPE],
    )
