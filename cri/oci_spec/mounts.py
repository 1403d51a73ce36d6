"""Mount table of a container: the system's own mounts, the pod's files, what the kubelet asked. Pure.

Host paths come in resolved (symbolic links followed, existence checked) as ``BindMount``. A later mount on the same
destination replaces an earlier one, and parents come before children, so that nothing is hidden by its parent.
"""

import dataclasses
import posixpath
from typing import Any

from cri import errors
from protocols.cri import api_pb2

PRIVATE, SLAVE, SHARED = (
    api_pb2.PROPAGATION_PRIVATE,
    api_pb2.PROPAGATION_HOST_TO_CONTAINER,
    api_pb2.PROPAGATION_BIDIRECTIONAL,
)
_PROPAGATION_OPTION = {PRIVATE: "rprivate", SLAVE: "rslave", SHARED: "rshared"}
Mount = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class BindMount:
    """A host path in the container."""

    source: str
    destination: str
    read_only: bool = False
    recursive_read_only: bool = False
    propagation: api_pb2.MountPropagation = PRIVATE
    options: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class SystemMounts:
    """What decides about the system's own mounts."""

    privileged: bool = False
    host_ipc: bool = False
    host_network: bool = False
    user_namespace: bool = False
    read_only_root: bool = False
    shm: str = ""
    resolv_conf: str = ""
    hostname: str = ""
    cgroup_version: int = 1


def check(mount: api_pb2.Mount) -> None:
    """Refuse contradictions within one requested mount.

    Raises:
        InvalidArgument: as the API's comments on the field demand.
    """
    if not mount.container_path:
        raise errors.InvalidArgument("mount without a container path")
    if mount.propagation not in _PROPAGATION_OPTION:
        raise errors.InvalidArgument(f"mount {mount.container_path} asks for unknown propagation {mount.propagation}")
    if mount.recursive_read_only:
        if not mount.readonly:
            raise errors.InvalidArgument("recursive_read_only needs readonly")
        if mount.propagation != PRIVATE:
            raise errors.InvalidArgument("recursive_read_only needs private mount propagation")
    if mount.HasField("image") and mount.image.image and mount.host_path:
        raise errors.InvalidArgument("a mount is either of an image or of a host path")


def system(facts: SystemMounts) -> list[Mount]:
    """/proc, /dev, /sys and the pod's own files."""
    writable = "rw" if facts.privileged else "ro"
    result: list[Mount] = [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
        },
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        },
    ]
    if facts.host_ipc and facts.user_namespace:
        result.append(_bind("/dev/mqueue", "/dev/mqueue", ["nosuid", "noexec", "nodev"]))
    else:
        result.append(
            {
                "destination": "/dev/mqueue",
                "type": "mqueue",
                "source": "mqueue",
                "options": ["nosuid", "noexec", "nodev"],
            }
        )
    if facts.host_network and facts.user_namespace:
        # Only the owner of the network namespace may mount sysfs.
        result.append(_bind("/sys", "/sys", ["nosuid", "noexec", "nodev", "ro"]))
    else:
        result.append(
            {
                "destination": "/sys",
                "type": "sysfs",
                "source": "sysfs",
                "options": ["nosuid", "noexec", "nodev", writable],
            }
        )
    cgroup_options = ["nosuid", "noexec", "nodev", "relatime", writable]
    result.append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": cgroup_options})
    if facts.shm:
        result.append(_bind(facts.shm, "/dev/shm", ["rw", "nosuid", "noexec", "nodev"]))
    mode = "ro" if facts.read_only_root else "rw"
    if facts.resolv_conf:
        result.append(_bind(facts.resolv_conf, "/etc/resolv.conf", [mode, "nosuid", "nodev", "noexec"]))
    if facts.hostname:
        result.append(_bind(facts.hostname, "/etc/hostname", [mode, "nosuid", "nodev", "noexec"]))
    return result


def bind(mount: BindMount) -> Mount:
    """One requested mount."""
    options = ["rbind", _PROPAGATION_OPTION[mount.propagation]]
    if mount.recursive_read_only:
        options.append("rro")
    options.append("ro" if mount.read_only else "rw")
    options.extend(mount.options)
    return {
        "destination": posixpath.normpath(mount.destination),
        "type": "bind",
        "source": mount.source,
        "options": options,
    }


def merge(*lists: list[Mount]) -> list[Mount]:
    """Join mount lists: later ones win a destination, parents come first."""
    by_destination: dict[str, Mount] = {}
    for mounts in lists:
        for mount in mounts:
            destination = posixpath.normpath(mount["destination"])
            by_destination.pop(destination, None)
            by_destination[destination] = mount
    # A requested mount over /dev or /sys replaces the whole subtree of ours: sorted by depth, it comes before them.
    return sorted(by_destination.values(), key=lambda m: _depth(m["destination"]))


def root_propagation(mounts: list[BindMount]) -> str:
    """``linux.rootfsPropagation`` that the requested mounts need."""
    kinds = {m.propagation for m in mounts}
    if SHARED in kinds:
        return "rshared"
    if SLAVE in kinds:
        return "rslave"
    return ""


def image_volumes(image: dict[str, Any]) -> list[str]:
    """Paths that the image declares as ``VOLUME``."""
    return sorted((image.get("Volumes") or {}).keys())


def _bind(source: str, destination: str, options: list[str]) -> Mount:
    return {"destination": destination, "type": "bind", "source": source, "options": ["bind", *options]}


def _depth(path: str) -> int:
    return path.rstrip("/").count("/")
