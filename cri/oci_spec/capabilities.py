"""Which capabilities a container's process gets. Pure.

The configured default set, plus ``add``, minus ``drop``; ``ALL`` in either list stands for every capability the host
can give. Privileged means all of them. The inheritable set stays empty, as a filled one would survive an ``execve`` of
a program with file capabilities.
"""

from collections.abc import Iterable

from cri import errors
from cri.oci_spec import clamps
from protocols.cri import api_pb2

DEFAULT = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_KILL",
)

KNOWN = frozenset(
    f"CAP_{name}"
    for name in [
        "AUDIT_CONTROL",
        "AUDIT_READ",
        "AUDIT_WRITE",
        "BLOCK_SUSPEND",
        "BPF",
        "CHECKPOINT_RESTORE",
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "IPC_LOCK",
        "IPC_OWNER",
        "KILL",
        "LEASE",
        "LINUX_IMMUTABLE",
        "MAC_ADMIN",
        "MAC_OVERRIDE",
        "MKNOD",
        "NET_ADMIN",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_RAW",
        "PERFMON",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYSLOG",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_CHROOT",
        "SYS_MODULE",
        "SYS_NICE",
        "SYS_PACCT",
        "SYS_PTRACE",
        "SYS_RAWIO",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "WAKE_ALARM",
    ]
)


def allowed(
    context: api_pb2.LinuxContainerSecurityContext, default: Iterable[str], host: clamps.HostFacts
) -> frozenset[str]:
    """The bounding set of a container."""
    if context.privileged:
        return clamps.capabilities(KNOWN, host)
    request = context.capabilities
    added = _names([*request.add_capabilities, *request.add_ambient_capabilities])
    dropped = _names(request.drop_capabilities)
    result = set(KNOWN) if "CAP_ALL" in added else set(default)
    if "CAP_ALL" in dropped:
        # "drop ALL, add X" leaves X; "add ALL, drop X" leaves the rest.
        result = set(KNOWN) if "CAP_ALL" in added else set()
    result |= added - {"CAP_ALL"}
    result -= dropped - {"CAP_ALL"}
    return clamps.capabilities(frozenset(result), host)


def process_sets(context: api_pb2.LinuxContainerSecurityContext, allowed_set: frozenset[str]) -> dict[str, list[str]]:
    """The ``process.capabilities`` of an OCI configuration."""
    ambient = _names(context.capabilities.add_ambient_capabilities) & allowed_set
    everything = sorted(allowed_set)
    sets = {"bounding": everything, "effective": everything, "permitted": everything}
    if ambient:
        sets["ambient"] = sorted(ambient)
        sets["inheritable"] = sorted(ambient)
    return sets


def _names(raw: Iterable[str]) -> set[str]:
    result = set()
    for name in raw:
        upper = name.upper()
        full = upper if upper.startswith("CAP_") else f"CAP_{upper}"
        if full != "CAP_ALL" and full not in KNOWN:
            raise errors.InvalidArgument(f"unknown capability {name!r}")
        result.add(full)
    return result
