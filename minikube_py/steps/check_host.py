"""Is this host able to run a node? Checks, says what is adapted, names the mend for what can't be."""

import os
import shutil
from pathlib import Path

from minikube_py.reasons import (
    HOST_FEATURE,
    HOST_UNSUPPORTED,
    INSUFFICIENT_MEMORY,
    INSUFFICIENT_STORAGE,
    NOT_ROOT,
    Failure,
)
from minikube_py.steps.interface import StartContext

_LEAST_MEMORY_MB = 1024
_LEAST_DISK_MB = 2048
_FILESYSTEMS = {"overlay": "overlay", "tmpfs": None}
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def check_host(context: StartContext) -> None:
    """Check privileges, kernel, memory and disk.

    Raises:
        Failure: NOT_ROOT, HOST_FEATURE, HOST_UNSUPPORTED, INSUFFICIENT_MEMORY, INSUFFICIENT_STORAGE.
    """
    demand_root("start")
    _check_kernel()
    if context.profile.force_systemd and not Path("/run/systemd/system").is_dir():
        raise Failure(HOST_FEATURE, "systemd does not run here", mend="Start without --force-systemd.")
    if not context.force:
        _check_memory()
        _check_disk(context.profile.directory)
    for adapted in adaptations():
        context.console.say("sub", adapted)


def demand_root(command: str) -> None:
    """Namespaces, mounts and cgroups of a node need root.

    Raises:
        Failure: NOT_ROOT.
    """
    if os.geteuid() != 0:
        raise Failure(NOT_ROOT, f"`minikube-py {command}` needs root on the host driver", command=command)


def _check_kernel() -> None:
    if os.uname().sysname != "Linux":
        raise Failure(HOST_UNSUPPORTED, f"{os.uname().sysname} is not Linux", mend="Run it on Linux.")
    absent = [name for name in _NAMESPACES if not Path("/proc/self/ns", name).exists()]
    if absent:
        raise Failure(
            HOST_FEATURE,
            f"the kernel lacks namespaces: {', '.join(absent)}",
            mend="Boot a kernel with CONFIG_NAMESPACES and its parts, as every distribution ships.",
        )
    known = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines() if line.strip()}
    for filesystem, module in _FILESYSTEMS.items():
        if filesystem not in known and not (module and _load_module(module)):
            raise Failure(
                HOST_FEATURE,
                f"the kernel lacks the {filesystem} filesystem",
                mend=f"Load it (`modprobe {module or filesystem}`) or boot a kernel that has it.",
            )
    if not (Path("/sys/fs/cgroup/cgroup.controllers").exists() or Path("/sys/fs/cgroup/memory").is_dir()):
        raise Failure(
            HOST_FEATURE,
            "no cgroup hierarchy is mounted at /sys/fs/cgroup",
            mend="Mount it (`mount -t cgroup2 none /sys/fs/cgroup`), or start this container with its cgroups visible.",
        )


def _load_module(name: str) -> bool:
    import subprocess

    modprobe = shutil.which("modprobe", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if modprobe is None:
        return False
    return subprocess.run([modprobe, "-q", name], check=False).returncode == 0


def _check_memory() -> None:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) // 1024
            if available < _LEAST_MEMORY_MB:
                raise Failure(
                    INSUFFICIENT_MEMORY,
                    f"{available} MB of memory are available, a node needs {_LEAST_MEMORY_MB} MB",
                )


def _check_disk(directory: Path) -> None:
    existing = directory
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free // 2**20
    if free < _LEAST_DISK_MB:
        raise Failure(
            INSUFFICIENT_STORAGE, f"{free} MB are free on {existing}, a node needs {_LEAST_DISK_MB} MB", path=existing
        )


def adaptations() -> list[str]:
    """What the programs adapt to on this host, a line each (empty on an ordinary one)."""
    found = []
    capabilities = int(_status_field("CapBnd"), 16)
    if not capabilities >> 24 & 1:  # CAP_SYS_RESOURCE
        found.append("no CAP_SYS_RESOURCE: containers keep this host's limits and our OOM score")
    if Path("/sys/fs/cgroup/memory").is_dir() and Path("/sys/fs/cgroup/unified").is_dir():
        found.append("hybrid cgroups: containers use the version 1 hierarchies")
    return found


def _status_field(name: str) -> str:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return line.split()[1]
    return "0"
