"""Facts of this host that don't change while it runs: probed on demand, once."""

from __future__ import annotations

import functools
import os
import shutil
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Host:
    """What the host is.

    Attributes:
        memory: Bytes of main memory.
        cgroup_version: 1 or 2; 0 where none are mounted.
        cgroup_hybrid: Version 1 with a v2 hierarchy beside it.
        systemd: Whether systemd runs as the first process.
        capabilities: Those this process can give away.
    """

    kernel: str
    architecture: str
    operating_system: str
    hostname: str
    machine_id: str
    boot_id: str
    system_uuid: str
    cpus: int
    memory: int
    cgroup_version: int
    cgroup_hybrid: bool
    systemd: bool
    capabilities: frozenset[str]
    swap: int

    @property
    def can_raise_limits(self) -> bool:
        """Whether negative OOM scores and higher rlimits are allowed (CAP_SYS_RESOURCE)."""
        return "CAP_SYS_RESOURCE" in self.capabilities


@functools.cache
def facts() -> Host:
    """The host's facts."""
    from linux.capabilities import bounding_set

    system = os.uname()
    memory = _meminfo()
    unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    legacy = os.path.isdir("/sys/fs/cgroup/memory") or os.path.isdir("/sys/fs/cgroup/cpu")
    return Host(
        kernel=system.release,
        architecture={"x86_64": "amd64", "aarch64": "arm64"}.get(system.machine, system.machine),
        operating_system=_os_release().get("PRETTY_NAME", system.sysname),
        hostname=system.nodename,
        machine_id=_read("/etc/machine-id") or _read("/var/lib/dbus/machine-id"),
        boot_id=_read("/proc/sys/kernel/random/boot_id"),
        system_uuid=_read("/sys/class/dmi/id/product_uuid") or _read("/etc/machine-id"),
        cpus=os.cpu_count() or 1,
        memory=memory.get("MemTotal", 0),
        cgroup_version=2 if unified else (1 if legacy else 0),
        cgroup_hybrid=not unified and os.path.exists("/sys/fs/cgroup/unified/cgroup.controllers"),
        systemd=os.path.isdir("/run/systemd/system"),
        capabilities=frozenset(bounding_set()),
        swap=memory.get("SwapTotal", 0),
    )


def available_memory() -> int:
    """Bytes that could be used now without swapping."""
    return _meminfo().get("MemAvailable", 0)


def disk(path: str) -> tuple[int, int]:
    """Size and free bytes of the filesystem that holds a path (or its nearest parent that exists)."""
    while not os.path.exists(path):
        path = os.path.dirname(path) or "/"
    usage = shutil.disk_usage(path)
    return usage.total, usage.free


def inodes(path: str) -> tuple[int, int]:
    """Number and free number of inodes of the filesystem that holds a path."""
    found = os.statvfs(path)
    return found.f_files, found.f_ffree


def filesystem_supported(name: str) -> bool:
    """Whether the kernel knows a filesystem now (a module that could be loaded does not count)."""
    return any(line.split()[-1] == name for line in _read("/proc/filesystems").splitlines() if line.strip())


def module_loaded(name: str) -> bool:
    """Whether a kernel module is loaded or built in with parameters."""
    return os.path.isdir(f"/sys/module/{name.replace('-', '_')}")


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def _meminfo() -> dict[str, int]:
    found = {}
    for line in _read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0]) * 1024
    return found


def _os_release() -> dict[str, str]:
    found = {}
    for line in _read("/etc/os-release").splitlines():
        name, _, value = line.partition("=")
        found[name] = value.strip('"')
    return found
