"""Control groups on a host whose systemd looks after them: a group is a slice, a unit that systemd makes and limits.

A group that systemd does not know of may lose its controllers or limits when it arranges its own. Talks to systemd with
`busctl`, and reads the kernel's files itself. A path is that of the tree, each part a slice named for those above it:
`/a.slice/a-b.slice`. Only what the kubelet sets on pods is set here: CPU, memory and the number of processes.
"""

from __future__ import annotations

import contextlib
import errno
import posixpath
import subprocess
import time

from linux.cgroups import CgroupHost, Limits, Pressure, Stats, Usage

_MANAGER = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_INFINITY = str(2**64 - 1)
_MICROSECONDS = 1_000_000
_DEFAULT_PERIOD = 100_000
_PATIENCE = 10.0
_COMMAND_TIMEOUT = 60.0


class SystemdHost:
    """Slices of the running systemd, above the host's own control groups."""

    def __init__(self, host: CgroupHost) -> None:
        self._host = host
        self.version = host.version
        self.hybrid = host.hybrid
        self.controllers = host.controllers

    def create(self, path: str) -> None:
        """Start the slice; systemd starts those above it."""
        if self._host.exists(path):
            return
        on = dict.fromkeys(("CPUAccounting", "MemoryAccounting", "TasksAccounting"), ("b", "true"))
        settings = {"Description": ("s", "pods"), "DefaultDependencies": ("b", "false"), **on}
        with contextlib.suppress(FileExistsError):
            call("StartTransientUnit", "ssa(sv)a(sa(sv))", unit(path), "replace", *_properties(settings), "0")
        deadline = time.monotonic() + _PATIENCE
        while not self._host.exists(path):
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "systemd did not make the slice", path)
            time.sleep(0.005)

    def exists(self, path: str) -> bool:
        """Whether the group is there."""
        return self._host.exists(path)

    def remove_tree(self, path: str, *, seconds: float = 2.0) -> None:
        """Kill what runs there and stop the slice."""
        if not self._host.exists(path):
            return
        if self._host.pids(path):
            self._host.kill(path)
        with contextlib.suppress(FileNotFoundError):
            call("StopUnit", "ss", unit(path), "replace")
        deadline = time.monotonic() + seconds
        while self._host.exists(path) and time.monotonic() < deadline:
            time.sleep(0.005)
        self._host.remove_tree(path, seconds=seconds)

    def add_pid(self, path: str, pid: int) -> None:
        """Move a process into the group."""
        self._host.add_pid(path, pid)

    def pids(self, path: str, *, recursive: bool = True) -> set[int]:
        """The processes in the group."""
        return self._host.pids(path, recursive=recursive)

    def kill(self, path: str) -> None:
        """Kill the whole tree."""
        self._host.kill(path)

    def set_limits(self, path: str, limits: Limits) -> None:
        """Tell systemd the limits that are given."""
        wanted = settings_of(limits, self.version)
        if wanted:
            call("SetUnitProperties", "sba(sv)", unit(path), "true", *_properties(wanted))

    def usage(self, path: str) -> Usage:
        """Read the few counters that are asked for all the time."""
        return self._host.usage(path)

    def release(self, path: str) -> None:
        """Let go of the files that `usage` holds open."""
        self._host.release(path)

    def stats(self, path: str) -> Stats:
        """Read all counters."""
        return self._host.stats(path)

    def pressure(self, path: str) -> dict[str, Pressure]:
        """Read the pressure where the kernel measures it."""
        return self._host.pressure(path)

    def list(self, path: str) -> list[str]:
        """The groups directly below."""
        return self._host.list(path)

    def oom_file(self, path: str) -> str:
        """The file that tells of kills."""
        return self._host.oom_file(path)


def unit(path: str) -> str:
    """The unit whose group a path is."""
    return posixpath.basename(path.rstrip("/"))


def settings_of(limits: Limits, version: int) -> dict[str, tuple[str, str]]:
    """The properties of a slice, each with its D-Bus type, that stand for limits."""
    found: dict[str, tuple[str, str]] = {}
    if limits.cpu_shares is not None:
        from linux.cgroups_v2 import weight

        name, number = ("CPUWeight", weight(limits.cpu_shares)) if version == 2 else ("CPUShares", limits.cpu_shares)
        found[name] = ("t", str(number))
    if limits.cpu_quota is not None:
        period = limits.cpu_period or _DEFAULT_PERIOD
        each_second = _INFINITY if limits.cpu_quota <= 0 else str(limits.cpu_quota * _MICROSECONDS // period)
        found["CPUQuotaPerSecUSec"] = ("t", each_second)
        if limits.cpu_period:
            found["CPUQuotaPeriodUSec"] = ("t", str(limits.cpu_period))
    for name, value in (("MemoryMax" if version == 2 else "MemoryLimit", limits.memory), ("TasksMax", limits.pids)):
        if value is not None:
            found[name] = ("t", _INFINITY if value < 0 else str(value))
    return found


def call(method: str, signature: str, *words: str) -> None:
    """Call a method of systemd's manager.

    Raises:
        FileExistsError: there is such a unit already.
        FileNotFoundError: no such unit is loaded.
        OSError: it failed otherwise; the text is systemd's own.
    """
    command = ["busctl", "--quiet", "call", *_MANAGER, method, signature, *words]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_COMMAND_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(errno.ETIMEDOUT, "systemd did not answer", method) from None
    if done.returncode == 0:
        return
    said = done.stderr.decode("utf-8", "replace").strip().removeprefix("Call failed: ")
    kinds = {"already exists": errno.EEXIST, "already loaded": errno.EEXIST, "not loaded": errno.ENOENT}
    raise OSError(next((number for text, number in kinds.items() if text in said), errno.EIO), said, words[0])


def _properties(settings: dict[str, tuple[str, str]]) -> list[str]:
    """An a(sv) in busctl's words."""
    return [str(len(settings)), *(word for name, pair in settings.items() for word in (name, *pair))]
