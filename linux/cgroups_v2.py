"""Control groups version 2: one tree for all controllers.

A controller works in a group only when its parent hands it down (cgroup.subtree_control); creating sees to that for
all controllers that the parents have.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

from linux.cgroup_files import ControlFiles, half_of_our_descriptors
from linux.cgroups import (
    Limits,
    Pressure,
    Stats,
    Usage,
    directories,
    number,
    pairs,
    parse_pressure,
    read,
    read_pids,
    remove_directories,
    signal_pids,
    subdirectories,
    table,
    write,
)

_DEFAULT_PERIOD = 100_000
_KILL_TRIES = 50
PRESSURES = ("cpu", "memory", "io")
_HANDED_DOWN = ("cpu", "cpuset", "memory", "pids", "io", "hugetlb")


class UnifiedHost:
    """The v2 tree at a directory."""

    version = 2
    hybrid = False

    def __init__(self, root: str) -> None:
        self._root = root
        self._files = ControlFiles(lambda path, file: f"{self.directory(path)}/{file}", half_of_our_descriptors())
        self.controllers = frozenset(read(f"{root}/cgroup.controllers").split())

    def directory(self, path: str) -> str:
        """The directory of a group."""
        return f"{self._root}/{path.strip('/')}".rstrip("/")

    def create(self, path: str) -> None:
        """Make a group with its parents, which hand their controllers down."""
        directory = self._root
        for part in path.strip("/").split("/"):
            self._hand_down(directory)
            directory = f"{directory}/{part}"
            try:
                os.mkdir(directory, 0o755)
            except FileExistsError:
                continue

    def _hand_down(self, directory: str) -> None:
        have = set(read(f"{directory}/cgroup.controllers").split())
        given = set(read(f"{directory}/cgroup.subtree_control").split())
        for name in _HANDED_DOWN:
            if name in have and name not in given:
                try:
                    write(f"{directory}/cgroup.subtree_control", f"+{name}")
                except OSError:
                    # A group with processes of its own may not hand controllers down: its sub-groups do without.
                    continue

    def exists(self, path: str) -> bool:
        """Whether the group is there."""
        return os.path.isdir(self.directory(path))

    def remove_tree(self, path: str, *, seconds: float = 2.0) -> None:
        """Kill what runs there and remove the group."""
        if not path.strip("/"):
            raise ValueError("refusing to remove the root group")
        self._files.release(path)
        if self.pids(path):
            self.kill(path)
        remove_directories(directories(self.directory(path)), seconds)

    def add_pid(self, path: str, pid: int) -> None:
        """Move a process into the group."""
        write(f"{self.directory(path)}/cgroup.procs", pid)

    def pids(self, path: str, *, recursive: bool = True) -> set[int]:
        """The processes in the group."""
        top = self.directory(path)
        found: set[int] = set()
        for directory in directories(top) if recursive else [top]:
            found |= read_pids(directory)
        return found

    def kill(self, path: str) -> None:
        """Kill the whole tree at once (cgroup.kill, kernel 5.14), or one by one on older kernels."""
        try:
            write(f"{self.directory(path)}/cgroup.kill", 1)
        except FileNotFoundError:
            for _ in range(_KILL_TRIES):
                left = self.pids(path)
                if not left:
                    return
                signal_pids(left)

    def set_limits(self, path: str, limits: Limits) -> None:
        """Write each limit that is given, converted from its v1 form."""
        directory = self.directory(path)
        if limits.cpu_shares is not None:
            write(f"{directory}/cpu.weight", weight(limits.cpu_shares))
        if limits.cpu_quota is not None or limits.cpu_period is not None:
            quota, period = cpu_max(read(f"{directory}/cpu.max"), limits.cpu_quota, limits.cpu_period)
            write(f"{directory}/cpu.max", f"{quota} {period}")
        if limits.memory_swap is not None and limits.memory is not None:
            both = limits.memory_swap
            write(f"{directory}/memory.swap.max", _limit(both if both < 0 else max(0, both - limits.memory)))
        for file, value in (("memory.max", limits.memory), ("pids.max", limits.pids)):
            if value is not None:
                write(f"{directory}/{file}", _limit(value))
        for file, text in (("cpuset.cpus", limits.cpuset_cpus), ("cpuset.mems", limits.cpuset_mems), *limits.unified):
            if text is not None:
                write(f"{directory}/{file}", text)

    def usage(self, path: str) -> Usage:
        """Read the counters."""
        read_file = functools.partial(self._files.read, path)
        cpu = pairs(read_file("cpu.stat"))
        return Usage(
            cpu_usage=int(cpu.get("usage_usec", 0)) * 1000,
            pids=number(read_file("pids.current")),
            **_memory(read_file),
        )

    def stats(self, path: str) -> Stats:
        """Read the counters, and more of them."""
        directory = self.directory(path)
        cpu = table(read(f"{directory}/cpu.stat"))
        return Stats(
            cpu_usage=cpu.get("usage_usec", 0) * 1000,
            cpu_user=cpu.get("user_usec", 0) * 1000,
            cpu_system=cpu.get("system_usec", 0) * 1000,
            oom_kills=table(read(self.oom_file(path))).get("oom_kill", 0),
            pids=number(read(f"{directory}/pids.current")),
            pids_limit=number(read(f"{directory}/pids.max")),
            nr_periods=cpu.get("nr_periods", 0),
            nr_throttled=cpu.get("nr_throttled", 0),
            throttled_time=cpu.get("throttled_usec", 0) * 1000,
            **_memory(lambda name: read(f"{directory}/{name}")),
        )

    def release(self, path: str) -> None:
        """Close what `usage` holds open of a group and those below it."""
        self._files.release(path)

    def pressure(self, path: str) -> dict[str, Pressure]:
        """Read the pressure files, which kernels without PSI lack."""
        directory = self.directory(path)
        texts = {name: read(f"{directory}/{name}.pressure") for name in PRESSURES}
        return {name: parse_pressure(text) for name, text in texts.items() if text}

    def list(self, path: str) -> list[str]:
        """The groups directly below."""
        return subdirectories(self.directory(path))

    def oom_file(self, path: str) -> str:
        """The group's memory events."""
        return f"{self.directory(path)}/memory.events"


def _memory(read_file: Callable[[str], str]) -> dict[str, int]:
    """The fields of Usage that the memory controller knows."""
    usage = number(read_file("memory.current"))
    detail = pairs(read_file("memory.stat"))
    return {
        "memory_usage": usage,
        "memory_working_set": max(0, usage - int(detail.get("inactive_file", 0))),
        "memory_rss": int(detail.get("anon", 0)),
        "memory_cache": int(detail.get("file", 0)),
        "memory_mapped_file": int(detail.get("file_mapped", 0)),
        "memory_swap": number(read_file("memory.swap.current")),
        "memory_limit": number(read_file("memory.max")),
        "page_faults": int(detail.get("pgfault", 0)),
        "major_page_faults": int(detail.get("pgmajfault", 0)),
    }


def weight(shares: int) -> int:
    """cpu.weight (1 to 10000) of cpu.shares (2 to 262144), as the OCI runtimes convert."""
    if shares <= 0:
        return 100
    return 1 + ((min(max(shares, 2), 262144) - 2) * 9999) // 262142


def cpu_max(current: str, quota: int | None, period: int | None) -> tuple[str, int]:
    """The two words of cpu.max, what is not given taken from what stands there."""
    words = current.split()
    old_quota = words[0] if words else "max"
    old_period = int(words[1]) if len(words) > 1 else _DEFAULT_PERIOD
    if quota is not None:
        old_quota = "max" if quota <= 0 else str(quota)
    return old_quota, period or old_period


def _limit(value: int) -> str:
    return "max" if value < 0 else str(value)


def systemd_path(slice_name: str, scope: str = "") -> str:
    """The path of a systemd slice (`kubepods-burstable-podX.slice` lies inside its prefixes' slices)."""
    stem = slice_name.removesuffix(".slice")
    parts = [] if stem in ("", "-") else stem.split("-")
    path = "".join("/" + "-".join(parts[: end + 1]) + ".slice" for end in range(len(parts)))
    return f"{path}/{scope}" if scope else path
