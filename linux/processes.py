"""Processes by pidfd and start time, so that a reused pid is never mistaken for the old process."""

import contextlib
import os
import select
import signal
from pathlib import Path


def pidfd_open(pid: int) -> int:
    """A descriptor that stands for a process; readable once it has ended.

    Raises:
        ProcessLookupError: if there is no such process.
    """
    return os.pidfd_open(pid)


def pidfd_send_signal(descriptor: int, number: int) -> bool:
    """Signal the process that a descriptor stands for. Returns False where it has ended."""
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    return True


def start_time(pid: int) -> int:
    """When a process was started, in clock ticks since boot; 0 if there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


process_start_time = start_time


def is_alive(pid: int, started: int = 0) -> bool:
    """Whether a process runs (zombies do not), and is the one that was started at `started` where that is given."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    if fields[0] in (b"Z", b"X"):
        return False
    return not started or int(fields[19]) == started


alive = is_alive


def kill(pid: int, number: int = signal.SIGKILL) -> bool:
    """Send a signal. Returns False where there is no such process."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def wait_for_exit(pid: int, seconds: float) -> bool:
    """Wait until a process (a child or not) has ended. Returns False when the time is over."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ready, _, _ = select.select([descriptor], [], [], seconds)
        return bool(ready)
    finally:
        os.close(descriptor)


def children(pid: int) -> list[int]:
    """The direct children of all threads of a process."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def command_line(pid: int) -> str:
    """The words of a process' command line; nothing where it has gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return ""


def kill_tree(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process and all its descendants, parents first so that they make no new ones."""
    todo = [pid]
    while todo:
        current = todo.pop()
        below = children(current)
        kill(current, number)
        todo += below
