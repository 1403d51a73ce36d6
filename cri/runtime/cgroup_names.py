"""Names of the cgroups that containers run in, in the words of either driver. Pure."""

import posixpath

from cri import errors
from cri.oci_spec.clamps import HostFacts

PREFIX = "crio"


def check_parent(host: HostFacts, parent: str) -> None:
    """Whether a pod's cgroup, as its config names it, fits the driver.

    Raises:
        InvalidArgument: it is not a slice's name although systemd manages the cgroups.
    """
    if parent and host.systemd_cgroups and not parent.endswith(".slice"):
        raise errors.InvalidArgument(
            f"systemd manages the cgroups here, and {parent!r} is not a slice: kubelet and runtime need the same driver"
        )


def cgroups_path(host: HostFacts, parent: str, object_id: str) -> str:
    """``linux.cgroupsPath`` of a container below the pod's cgroup."""
    if host.systemd_cgroups:
        slice_name = posixpath.basename(parent.rstrip("/")) or "system.slice"
        if not slice_name.endswith(".slice"):
            slice_name += ".slice"
        return f"{slice_name}:{PREFIX}:{object_id}"
    return posixpath.join("/", parent.strip("/"), f"{PREFIX}-{object_id}")


def file_system_path(path: str) -> str:
    """Where the kernel shows that cgroup below a hierarchy's root.

    The path's own form tells the driver that made it: the one configured now may be another.
    """
    if not path or path.startswith("/"):
        return path
    slice_name, prefix, object_id = path.split(":", 2)
    return posixpath.join("/", expand_slice(slice_name), f"{prefix}-{object_id}.scope")


def expand_slice(name: str) -> str:
    """``a-b.slice`` is the directory ``a.slice/a-b.slice``, as systemd nests them."""
    stem = name.removesuffix(".slice")
    if stem in ("", "-"):
        return ""
    parts = stem.split("-")
    return "/".join("-".join(parts[: i + 1]) + ".slice" for i in range(len(parts)))
