"""Cgroup hierarchies that nobody else on a hybrid host looks after.

Where the other controllers are version 1, crun refuses to work while one is bound to the unified hierarchy. Mounting a
version 1 hierarchy for such a stray controller takes it from there; it is mounted once, under a source name that tells
whose it is. The kubelet knows neither that hierarchy nor the unified one, so the groups that the OCI runtimes make
there for a pod are removed here.
"""

import contextlib
import pathlib
import posixpath

from component.logging import get_logger
from linux import mounts

_log = get_logger("cgroups")
_CGROUPS = pathlib.Path("/sys/fs/cgroup")
SOURCE = "minikube-py-stray"


def controllers() -> list[str]:
    """Controllers of the unified hierarchy on a host whose others are version 1."""
    with contextlib.suppress(OSError):
        return (_CGROUPS / "unified/cgroup.controllers").read_text().split()
    return []


def take() -> None:
    """Mount a hierarchy of its own for each stray controller."""
    for controller in controllers():
        target = _CGROUPS / controller
        try:
            target.mkdir(exist_ok=True)
            mounts.mount(SOURCE, str(target), "cgroup", 0, controller)
        except OSError as error:
            _log.warning("Cannot mount a cgroup hierarchy for crun", controller=controller, cause=str(error))
        else:
            _log.info("Mounted a version 1 hierarchy, as crun refuses hybrid cgroups", controller=controller)


def _ours() -> list[pathlib.Path]:
    return [pathlib.Path(mount.path) for mount in mounts.mountinfo() if mount.source == SOURCE]


def release() -> None:
    """Undo ``take``, unless containers of anyone still use it."""
    for target in _ours():
        if any(entry.is_dir() for entry in target.iterdir()):
            continue
        with contextlib.suppress(OSError):
            mounts.umount(str(target))
            target.rmdir()


def tidy(parent: str, *, everywhere: bool) -> None:
    """Remove a pod's empty groups, and what is empty above them.

    Args:
        parent: The pod's cgroup below the root of a hierarchy.
        everywhere: In all hierarchies (nobody else owns the group), not only in those that the kubelet doesn't know.
    """
    roots = [*_ours(), _CGROUPS / "unified"]
    if (_CGROUPS / "cgroup.controllers").exists():
        roots = [_CGROUPS] if everywhere else []
    elif everywhere:
        roots = [entry for entry in _CGROUPS.iterdir() if entry.is_dir() and not entry.is_symlink()]
    for root in roots:
        path = "/" + parent.strip("/")
        with contextlib.suppress(OSError):
            while path != "/":
                (root / path.lstrip("/")).rmdir()
                path = posixpath.dirname(path)
