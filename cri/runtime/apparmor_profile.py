"""The AppArmor profile of containers that ask for the runtime's default one, brought into the kernel at start.

Everything is allowed that the container's namespaces, capabilities and seccomp filter leave; denied are mounts, and
writing to those parts of /proc and /sys that belong to the whole node. Blocks.
"""

import shutil
import subprocess

from component.logging import get_logger
from cri import host_facts
from cri.oci_spec.security_labels import DEFAULT_APPARMOR

_log = get_logger("apparmor")
_TIMEOUT = 30.0
# The runtimes have profiles of their own in newer distributions, by which the kernel knows them.
_RUNTIMES = "{unconfined,crun,runc,conmon,/usr/bin/crun,/usr/sbin/runc,/usr/bin/conmon}"
_OF_THE_NODE = (
    "/proc/{acpi,asound,bus,driver,fs,irq,scsi,tty}/** w",
    "/proc/{kcore,kmem,mem,sysrq-trigger} rwklx",
    "/proc/sys/{abi,debug,dev,vm}/** w",
    # shm*, msg* and sem belong to the pod's IPC namespace, hostname and domainname to its UTS namespace.
    "/proc/sys/kernel/{[^dhms]**,m[^s]**,s[^he]**} w",
    "/proc/sys/fs/{[^m]**,m[^q]**} w",
    "/sys/{block,bus,class,dev,devices,hypervisor,kernel,module,power}/** wklx",
    "/sys/fs/[^c]*/** wklx",
    "/sys/{firmware,kernel/security,devices/virtual/powercap}/** rwklx",
)


def text(name: str = DEFAULT_APPARMOR) -> str:
    """The profile in AppArmor's language."""
    rules = [
        "network",
        "capability",
        "file",
        "umount",
        "unix",
        f"signal (receive) peer={_RUNTIMES}",
        f"signal (send, receive) peer={name}",
        f"ptrace (trace, tracedby, read, readby) peer={name}",
        f"ptrace (readby) peer={_RUNTIMES}",
        "deny mount",
        *(f"deny {rule}" for rule in _OF_THE_NODE),
    ]
    body = "".join(f"  {rule},\n" for rule in rules)
    return f"profile {name} flags=(attach_disconnected, mediate_deleted) {{\n{body}}}\n"


def load() -> None:
    """Have the kernel know the profile; where that is not possible, say what it means."""
    if DEFAULT_APPARMOR in host_facts.loaded_apparmor_profiles():
        return
    parser = shutil.which("apparmor_parser")
    if parser is None:
        _log.warning("No apparmor_parser (apt-get install apparmor): containers run without an AppArmor profile")
        return
    try:
        done = subprocess.run(
            [parser, "--replace", "--skip-cache"],
            input=text().encode(),
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.warning("Containers run without an AppArmor profile", cause=str(error))
        return
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip()
        _log.warning("Containers run without an AppArmor profile", cause=words)
