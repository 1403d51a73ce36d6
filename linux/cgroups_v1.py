"""Control groups version 1 (a hierarchy per controller) and the hybrid layout with a v2 hierarchy beside it.

A controller that is mounted nowhere is absent here; the hybrid's v2 hierarchy is not touched.
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
    read,
    read_pids,
    remove_directories,
    signal_pids,
    subdirectories,
    table,
    write,
)

_FREEZE_TRIES = 50
_UNLIMITED = 1 << 62
_TICK_NANOSECONDS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class LegacyHost:
    """The v1 hierarchies below a directory."""

    version = 1

    def __init__(self, root: str) -> None:
        self._root = root
        self._mounts: dict[str, str] = {}
        with open("/proc/self/mounts") as mounts:
            for line in mounts:
                fields = line.split()
                if fields[2] != "cgroup" or not fields[1].startswith(root + "/"):
                    continue
                for option in fields[3].split(","):
                    self._mounts.setdefault(option.removeprefix("name="), fields[1])
        known = {line.split()[0] for line in read("/proc/cgroups").splitlines() if not line.startswith("#")}
        self._mounts = {name: path for name, path in self._mounts.items() if name in known or name == "systemd"}
        self._hierarchies = sorted(set(self._mounts.values()))
        self.controllers = frozenset(self._mounts) - {"systemd"}
        self._files = ControlFiles(self._locate, half_of_our_descriptors())
        self.hybrid = os.path.exists(f"{root}/unified/cgroup.controllers")

    def directory(self, controller: str, path: str) -> str:
        """The directory of a group under one controller; empty where the host lacks the controller."""
        root = self._mounts.get(controller)
        return f"{root}/{path.strip('/')}".rstrip("/") if root else ""

    def _locate(self, path: str, file: str) -> str:
        """The path of a control file, whose name begins with its controller's."""
        return f"{self.directory(file.split('.', 1)[0], path)}/{file}"

    def create(self, path: str) -> None:
        """Make a group with its parents under every controller."""
        cpuset = self._mounts.get("cpuset")
        for root in self._hierarchies:
            if not os.path.isdir(root):
                continue  # unmounted since we looked
            directory = root
            for part in path.strip("/").split("/"):
                above, directory = directory, f"{directory}/{part}"
                try:
                    os.mkdir(directory, 0o755)
                except FileExistsError:
                    continue
                if root == cpuset:
                    # Without these no process may enter; they are not inherited on v1.
                    for file in ("cpuset.cpus", "cpuset.mems"):
                        write(f"{directory}/{file}", read(f"{above}/{file}").strip())
                elif root == self._mounts.get("memory"):
                    # Usage of sub-groups counts for their parent.
                    _try_write(f"{directory}/memory.use_hierarchy", 1)

    def exists(self, path: str) -> bool:
        """Whether the group is there under any controller."""
        return any(os.path.isdir(f"{root}/{path.strip('/')}") for root in self._hierarchies)

    def remove_tree(self, path: str, *, seconds: float = 2.0) -> None:
        """Kill what runs there and remove the group everywhere."""
        if not path.strip("/"):
            raise ValueError("refusing to remove the root group")
        self._files.release(path)
        if self.pids(path):
            self.kill(path)
        for root in self._hierarchies:
            remove_directories(directories(f"{root}/{path.strip('/')}"), seconds)

    def add_pid(self, path: str, pid: int) -> None:
        """Move a process into the group under every controller."""
        for root in self._hierarchies:
            write(f"{root}/{path.strip('/')}/cgroup.procs", pid)

    def pids(self, path: str, *, recursive: bool = True) -> set[int]:
        """The processes under any controller (a runtime may have used some of them only)."""
        found: set[int] = set()
        for root in self._hierarchies:
            top = f"{root}/{path.strip('/')}"
            for directory in directories(top) if recursive else [top]:
                found |= read_pids(directory)
        return found

    def kill(self, path: str) -> None:
        """Freeze, kill, thaw, so that nothing forks away."""
        freezer = self.directory("freezer", path)
        frozen = bool(freezer) and _try_write(f"{freezer}/freezer.state", "FROZEN")
        try:
            signal_pids(self.pids(path))
        finally:
            if frozen:
                _try_write(f"{freezer}/freezer.state", "THAWED")
        for _ in range(_FREEZE_TRIES):
            left = self.pids(path)
            if not left:
                return
            signal_pids(left)

    def set_limits(self, path: str, limits: Limits) -> None:
        """Write each limit that is given to its controller's file."""
        memory = self.directory("memory", path)
        if memory and (limits.memory is not None or limits.memory_swap is not None):
            self._set_memory(memory, limits)
        for controller, file, value in (
            ("cpu", "cpu.shares", limits.cpu_shares),
            ("cpu", "cpu.cfs_period_us", limits.cpu_period),
            ("cpu", "cpu.cfs_quota_us", limits.cpu_quota),
            ("pids", "pids.max", "max" if limits.pids is not None and limits.pids < 0 else limits.pids),
            ("cpuset", "cpuset.cpus", limits.cpuset_cpus),
            ("cpuset", "cpuset.mems", limits.cpuset_mems),
        ):
            directory = self.directory(controller, path)
            if value is not None and directory:
                write(f"{directory}/{file}", value)

    def _set_memory(self, directory: str, limits: Limits) -> None:
        # memory+swap may never be lower than memory: raise it first, lower it last.
        steps: list[tuple[str, int]] = []
        swap_file = f"{directory}/memory.memsw.limit_in_bytes"
        if limits.memory is not None:
            steps.append((f"{directory}/memory.limit_in_bytes", limits.memory))
        if limits.memory_swap is not None and os.path.exists(swap_file):
            current = number(read(swap_file).strip())
            wanted = _UNLIMITED if limits.memory_swap < 0 else limits.memory_swap
            steps.insert(0 if wanted >= current else len(steps), (swap_file, limits.memory_swap))
        for file, value in steps:
            write(file, value)

    def usage(self, path: str) -> Usage:
        """Read the counters; about 0.02 ms."""
        read_file = functools.partial(self._files.read, path)
        return Usage(
            cpu_usage=number(read_file("cpuacct.usage")), pids=number(read_file("pids.current")), **_memory(read_file)
        )

    def stats(self, path: str) -> Stats:
        """Read the counters; about 0.1 ms."""
        cpuacct, cpu = self.directory("cpuacct", path), self.directory("cpu", path)
        memory, pids = self.directory("memory", path), self.directory("pids", path)
        ticks = table(read(f"{cpuacct}/cpuacct.stat"))
        throttling = table(read(f"{cpu}/cpu.stat"))
        return Stats(
            cpu_usage=number(read(f"{cpuacct}/cpuacct.usage")),
            cpu_user=ticks.get("user", 0) * _TICK_NANOSECONDS,
            cpu_system=ticks.get("system", 0) * _TICK_NANOSECONDS,
            oom_kills=table(read(f"{memory}/memory.oom_control")).get("oom_kill", 0),
            pids=number(read(f"{pids}/pids.current")),
            pids_limit=number(read(f"{pids}/pids.max")),
            nr_periods=throttling.get("nr_periods", 0),
            nr_throttled=throttling.get("nr_throttled", 0),
            throttled_time=throttling.get("throttled_time", 0),
            **_memory(lambda name: read(f"{memory}/{name}")),
        )

    def release(self, path: str) -> None:
        """Close what `usage` holds open of a group and those below it."""
        self._files.release(path)

    def pressure(self, path: str) -> dict[str, Pressure]:  # noqa: ARG002  the same for every group
        """Nothing: only version 2 measures it by group."""
        return {}

    def list(self, path: str) -> list[str]:
        """The groups directly below, under any controller."""
        found: set[str] = set()
        for root in self._hierarchies:
            found.update(subdirectories(f"{root}/{path.strip('/')}"))
        return sorted(found)

    def oom_file(self, path: str) -> str:
        """The memory controller's oom_control."""
        directory = self.directory("memory", path)
        return f"{directory}/memory.oom_control" if directory else ""


def _memory(read_file: Callable[[str], str]) -> dict[str, int]:
    """The fields of Usage that the memory controller knows."""
    usage = number(read_file("memory.usage_in_bytes"))
    limit = number(read_file("memory.limit_in_bytes"))
    detail = pairs(read_file("memory.stat"))
    return {
        "memory_usage": usage,
        "memory_working_set": max(0, usage - int(detail.get("total_inactive_file", 0))),
        "memory_rss": int(detail.get("total_rss", 0)),
        "memory_cache": int(detail.get("total_cache", 0)),
        "memory_mapped_file": int(detail.get("total_mapped_file", 0)),
        "memory_swap": int(detail.get("total_swap", 0)),
        "memory_limit": 0 if limit >= _UNLIMITED else limit,
        "page_faults": int(detail.get("total_pgfault", 0)),
        "major_page_faults": int(detail.get("total_pgmajfault", 0)),
    }


def _try_write(path: str, value: str | int) -> bool:
    try:
        write(path, value)
    except OSError:
        return False
    return True
