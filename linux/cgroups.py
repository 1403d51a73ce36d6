"""Control groups: which kind this host has, and one interface to both.

`detect()` gives the host's tree. Paths are those of the tree (`/kubepods/burstable/pod…`), the same under each v1
controller. Creating makes parents; what a kind does not have (a v1 host without the `pids` controller) is passed over.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Protocol

ROOT = "/sys/fs/cgroup"
_CGROUP2_MAGIC_FILE = "cgroup.controllers"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a group may use; None leaves a value as it is, -1 means unlimited."""

    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    memory: int | None = None
    memory_swap: int | None = None
    pids: int | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    unified: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a group uses, as far as CRI's statistics tell it: a few files, as a node's groups are many.

    Attributes:
        cpu_usage: Nanoseconds of CPU time so far.
        memory_usage: Bytes charged, page cache included.
        memory_working_set: Usage without the page cache that could be dropped at once (inactive_file).
        memory_rss: Anonymous memory.
        memory_limit: 0 where there is none.
        page_faults: Of both sorts.
        pids: Threads and processes now.
    """

    cpu_usage: int = 0
    memory_usage: int = 0
    memory_working_set: int = 0
    memory_rss: int = 0
    memory_cache: int = 0
    memory_mapped_file: int = 0
    memory_swap: int = 0
    memory_limit: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    pids: int = 0


@dataclass(frozen=True, slots=True)
class Stats(Usage):
    """All that cAdvisor tells of a group.

    Attributes:
        oom_kills: How often the kernel killed a process of it.
        nr_throttled: CPU periods in which it was throttled.
    """

    cpu_user: int = 0
    cpu_system: int = 0
    oom_kills: int = 0
    pids_limit: int = 0
    nr_periods: int = 0
    nr_throttled: int = 0
    throttled_time: int = 0


@dataclass(frozen=True, slots=True)
class Stall:
    """Shares of time lost (percent of the last 10, 60 and 300 s) and microseconds in all."""

    avg10: float = 0.0
    avg60: float = 0.0
    avg300: float = 0.0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Pressure:
    """Time in which some, and in which all, of a group's tasks waited for a resource (PSI)."""

    some: Stall = Stall()
    full: Stall = Stall()


class CgroupHost(Protocol):
    """The control groups of a host."""

    version: int
    hybrid: bool
    controllers: frozenset[str]

    def create(self, path: str) -> None:
        """Make a group with its parents; passes where it is there."""

    def exists(self, path: str) -> bool:
        """Whether there is such a group."""
        ...

    def remove_tree(self, path: str, *, seconds: float = 2.0) -> None:
        """Kill what runs in a group and below it, and remove it all; passes where it has gone."""

    def add_pid(self, path: str, pid: int) -> None:
        """Move a process into a group."""

    def pids(self, path: str, *, recursive: bool = True) -> set[int]:
        """The processes in a group, and in those below it."""
        ...

    def kill(self, path: str) -> None:
        """Kill all processes in a group and below it."""

    def set_limits(self, path: str, limits: Limits) -> None:
        """Change what a group may use; what can't be set raises OSError naming the file."""

    def usage(self, path: str) -> Usage:
        """What a group uses; zeros for what the host does not count."""
        ...

    def release(self, path: str) -> None:
        """Let go of the files that `usage` holds open; for groups that somebody else removed."""

    def stats(self, path: str) -> Stats:
        """The same and more, which costs far more."""
        ...

    def pressure(self, path: str) -> dict[str, Pressure]:
        """Pressure on `cpu`, `memory` and `io`; empty where the kernel does not measure it by group."""
        ...

    def list(self, path: str) -> list[str]:
        """The names of the groups directly below."""
        ...

    def oom_file(self, path: str) -> str:
        """The file whose oom_kill count tells of kills."""
        ...


def detect(root: str = ROOT) -> CgroupHost:
    """The host's control groups.

    Raises:
        OSError: if none are mounted.
    """
    if os.path.exists(f"{root}/{_CGROUP2_MAGIC_FILE}"):
        from linux.cgroups_v2 import UnifiedHost

        return UnifiedHost(root)
    from linux.cgroups_v1 import LegacyHost

    host = LegacyHost(root)
    if not host.controllers:
        raise FileNotFoundError(2, "no control groups are mounted", root)
    return host


# -- for both kinds


def write(path: str, value: str | int) -> None:
    """Write a value into a control file; an error names the file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, str(value).encode())
    except OSError as error:
        raise OSError(error.errno, f"write {value}: {os.strerror(error.errno or 0)}", path) from None
    finally:
        os.close(descriptor)


def read(path: str) -> str:
    """A control file's text; empty where it can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 1 << 16).decode()
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def number(text: str) -> int:
    """A control file's number; 0 where there is none or it is `max`."""
    try:
        return int(text)
    except ValueError:
        return 0


def table(text: str) -> dict[str, int]:
    """A control file with a name and a number on each line."""
    return {name: int(value) for name, value in pairs(text).items() if value.isdigit()}


def pairs(text: str) -> dict[str, str]:
    """The same without looking at the numbers, for long files of which few lines are wanted."""
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=False))


def parse_pressure(text: str) -> Pressure:
    """A pressure file: a line each for `some` and `full`."""
    lines = {}
    for line in text.splitlines():
        kind, *words = line.split()
        values = dict(word.split("=", 1) for word in words)
        avg10, avg60, avg300 = (float(values.get(name, 0)) for name in ("avg10", "avg60", "avg300"))
        lines[kind] = Stall(avg10, avg60, avg300, int(values.get("total", 0)))
    return Pressure(lines.get("some", Stall()), lines.get("full", Stall()))


def directories(path: str) -> list[str]:
    """A group's directory and those below it, deepest first; empty where it has gone."""
    found = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    found += directories(entry.path)
    except FileNotFoundError:
        return []
    return [*found, path]


def subdirectories(path: str) -> list[str]:
    """The names of the directories directly below."""
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def read_pids(path: str) -> set[int]:
    """The processes of one group's directory."""
    return {int(word) for word in read(f"{path}/cgroup.procs").split()}


def remove_directories(paths: list[str], seconds: float) -> None:
    """Remove group directories, waiting for their processes to be gone.

    Raises:
        OSError: if one is still busy after that time.
    """
    deadline = time.monotonic() + seconds
    pause = 0.001
    for path in paths:
        while True:
            try:
                os.rmdir(path)
            except FileNotFoundError:
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(pause)
                pause = min(pause * 2, 0.05)
                continue
            break


def signal_pids(pids: set[int], signal: int = 9) -> None:
    """Signal processes; those that have gone don't matter."""
    for pid in pids:
        try:
            os.kill(pid, signal)
        except ProcessLookupError:
            continue
