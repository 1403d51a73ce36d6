"""Facts about this machine for the Node object: capacity, addresses, system info."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Obj = dict[str, Any]


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


@cache
def memory_bytes() -> int:
    """Memory of the machine, or of the cgroup limit that holds it."""
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def memory_available() -> int:
    """Memory that can be had without swapping."""
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


@cache
def cpus() -> int:
    """CPUs this process may use."""
    return len(os.sched_getaffinity(0))


@cache
def os_image() -> str:
    """PRETTY_NAME of os-release."""
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system's size."""

    total: int
    free: int
    inodes: int
    inodes_free: int


def disk(path: str) -> Disk:
    """Size of the file system that holds a path."""
    while not os.path.exists(path):
        path = os.path.dirname(path) or "/"
    usage = shutil.disk_usage(path)
    info = os.statvfs(path)
    return Disk(usage.total, usage.free, info.f_files, info.f_ffree)


_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def architecture() -> str:
    """Go's name of the CPU architecture."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def system_info(runtime: str, kubelet_version: str) -> Obj:
    """status.nodeInfo."""
    return {
        "architecture": architecture(),
        "bootID": _read("/proc/sys/kernel/random/boot_id"),
        "containerRuntimeVersion": runtime,
        "kernelVersion": platform.release(),
        "kubeProxyVersion": "",
        "kubeletVersion": kubelet_version,
        "machineID": _read("/etc/machine-id") or _read("/var/lib/dbus/machine-id"),
        "operatingSystem": "linux",
        "osImage": os_image(),
        "systemUUID": _read("/sys/class/dmi/id/product_uuid") or _read("/etc/machine-id"),
        "swap": {"capacity": _swap()},
    }


def _swap() -> int:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("SwapTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def default_address() -> str:
    """Address of the interface with the default route, without sending anything."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
