"""Finds out once, at start, what this host allows. Reads /proc and /sys only."""

import os
import pathlib
import resource
import shutil

from cri.oci_spec.clamps import HostFacts
from linux import capabilities

_RLIMITS = {
    f"RLIMIT_{name}": getattr(resource, f"RLIMIT_{name}")
    for name in (
        [
            "AS",
            "CORE",
            "CPU",
            "DATA",
            "FSIZE",
            "MEMLOCK",
            "MSGQUEUE",
            "NICE",
            "NOFILE",
            "NPROC",
            "RSS",
            "RTPRIO",
            "RTTIME",
            "SIGPENDING",
            "STACK",
        ]
    )
    if hasattr(resource, f"RLIMIT_{name}")
}
_CGROUPS = pathlib.Path("/sys/fs/cgroup")


def gather(cgroup_manager: str) -> HostFacts:
    """Look at the host."""
    version = 2 if (_CGROUPS / "cgroup.controllers").exists() else 1
    systemd = cgroup_manager == "systemd" or (cgroup_manager == "auto" and _systemd_is_first())
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2] if part.isdigit())
    return HostFacts(
        machine=os.uname().machine,
        bounding=frozenset(capabilities.bounding_set()),
        oom_score_adj=int(pathlib.Path("/proc/self/oom_score_adj").read_text()),
        rlimits={name: resource.getrlimit(number)[1] for name, number in _RLIMITS.items()},
        cgroup_version=version,
        systemd_cgroups=systemd,
        seccomp=pathlib.Path("/proc/sys/kernel/seccomp").exists(),
        apparmor=_is(pathlib.Path("/sys/module/apparmor/parameters/enabled"), "Y"),
        selinux=pathlib.Path("/sys/fs/selinux/enforce").exists(),
        swap_accounting=version == 2 or (_CGROUPS / "memory/memory.memsw.limit_in_bytes").exists(),
        recursive_read_only=release >= (5, 12),
        idmapped_mounts=release >= (5, 19) and shutil.which("unshare") is not None,
    )


def loaded_apparmor_profiles() -> frozenset[str]:
    """Names of the AppArmor profiles in the kernel."""
    try:
        text = pathlib.Path("/sys/kernel/security/apparmor/profiles").read_text()
    except OSError:
        return frozenset()
    return frozenset(line.rsplit(" (", 1)[0] for line in text.splitlines())


def _systemd_is_first() -> bool:
    return pathlib.Path("/run/systemd/system").is_dir() and _is(pathlib.Path("/proc/1/comm"), "systemd")


def _is(path: pathlib.Path, text: str) -> bool:
    try:
        return path.read_text().strip() == text
    except OSError:
        return False
