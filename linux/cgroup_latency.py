"""Cheap moves of processes between control groups: the mount option `favordynmods` (kernel 6.0).

By default such a move waits for an RCU grace period, 5 to 12 ms on an idle machine, so that forks need no lock at all.
A node that starts containers all day wants the opposite. The option belongs to the whole host; set on its version 2
hierarchy (the only one, or the one beside those of version 1) it holds for all hierarchies, until reboot or unmount.
"""

import contextlib

from linux import mounts
from linux.cgroups import ROOT

OPTION = "favordynmods"
_FLAGS = {
    "nosuid": mounts.MS_NOSUID,
    "nodev": mounts.MS_NODEV,
    "noexec": mounts.MS_NOEXEC,
    "relatime": mounts.MS_RELATIME,
}


def remount_arguments(found: mounts.Mount) -> tuple[int, str]:
    """Flags and options of a remount that adds the option and keeps all others, which the kernel would drop."""
    flags = mounts.MS_REMOUNT
    for word in found.options.split(","):
        flags |= _FLAGS.get(word, 0)
    kept = [word for word in found.super_options.split(",") if word not in ("rw", "ro", OPTION)]
    return flags, ",".join([*kept, OPTION])


def favor_changes(root: str = ROOT) -> bool:
    """Set the option; returns whether it is set now: not without a version 2 hierarchy that is ours to remount."""
    found = _hierarchy(root)
    if found is None or "ro" in found.options.split(","):
        return False
    if not _is_set(found):
        with contextlib.suppress(OSError):  # an old kernel, or no right to
            flags, options = remount_arguments(found)
            mounts.mount(found.source, found.path, "cgroup2", flags, options)
        found = _hierarchy(root)  # the kernel passes over it, without a word, within a cgroup namespace
    return found is not None and _is_set(found)


def _hierarchy(root: str) -> mounts.Mount | None:
    found = [m for m in mounts.mountinfo() if m.kind == "cgroup2" and m.path in (root, f"{root}/unified")]
    return found[-1] if found else None


def _is_set(hierarchy: mounts.Mount) -> bool:
    return OPTION in hierarchy.super_options.split(",")
