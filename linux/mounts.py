"""Mounts: the system calls with their flags named, and the mount table."""

import ctypes
import errno
import os
from dataclasses import dataclass
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mountinfo.

    Attributes:
        root: The path inside the filesystem that is mounted.
        propagation: The optional fields, such as `shared:1` or `master:2`.
    """

    id: int
    parent: int
    device: str
    root: str
    path: str
    options: str
    propagation: tuple[str, ...]
    kind: str
    source: str
    super_options: str


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount something, as the system call does.

    Raises:
        OSError: naming source and target.
    """
    result = _LIBC.mount(
        source.encode() or None,
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {kind or hex(flags)} of {source or 'none'}: {os.strerror(number)}", str(target))


def umount(target: str, *, lazy: bool = False, missing_ok: bool = True) -> None:
    """Unmount what is mounted at a path.

    Args:
        target: The mount point.
        lazy: Detach now, clean up when nothing uses it any more.
        missing_ok: Pass where it is no mount point or does not exist.

    Raises:
        OSError: naming the target.
    """
    if _LIBC.umount2(os.fsencode(target), UMOUNT_NOFOLLOW | (MNT_DETACH if lazy else 0)):
        number = ctypes.get_errno()
        if missing_ok and number in (errno.EINVAL, errno.ENOENT):
            return
        raise OSError(number, f"umount: {os.strerror(number)}", str(target))


def bind(source: str, target: str, *, recursive: bool = False, read_only: bool = False) -> None:
    """Show a file or directory at another place too."""
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))
    if read_only:
        remount(target, MS_BIND | MS_RDONLY)


def remount(target: str, flags: int, options: str = "") -> None:
    """Change the flags of a mount."""
    mount("", target, flags=MS_REMOUNT | flags, options=options)


def make_private(target: str, *, recursive: bool = False) -> None:
    """Stop propagation in both directions."""
    mount("", target, flags=MS_PRIVATE | (MS_REC if recursive else 0))


def make_shared(target: str, *, recursive: bool = False) -> None:
    """Propagate in both directions."""
    mount("", target, flags=MS_SHARED | (MS_REC if recursive else 0))


def make_slave(target: str, *, recursive: bool = False) -> None:
    """Receive propagation, send none."""
    mount("", target, flags=MS_SLAVE | (MS_REC if recursive else 0))


def mountinfo(path: str = "/proc/self/mountinfo") -> list[Mount]:
    """The mount table, in mount order."""
    found = []
    for line in Path(path).read_bytes().decode(errors="surrogateescape").splitlines():
        left, _, right = line.partition(" - ")
        first, last = left.split(" "), right.split(" ")
        found.append(
            Mount(
                id=int(first[0]),
                parent=int(first[1]),
                device=first[2],
                root=_plain(first[3]),
                path=_plain(first[4]),
                options=first[5],
                propagation=tuple(first[6:]),
                kind=last[0],
                source=_plain(last[1]),
                super_options=last[2] if len(last) > 2 else "",
            )
        )
    return found


def _plain(field: str) -> str:
    if "\\" not in field:
        return field
    for escaped, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escaped, character)
    return field


def is_mount_point(path: str) -> bool:
    """Whether something is mounted exactly there."""
    real = os.path.realpath(path)
    return any(one.path == real for one in mountinfo())


def mounts_under(path: str) -> list[Mount]:
    """The mounts at and below a path, deepest last."""
    real = os.path.realpath(path)
    return [one for one in mountinfo() if one.path == real or one.path.startswith(real.rstrip("/") + "/")]


def unmount_tree(path: str) -> int:
    """Unmount all at and below a path, last mounted first; lazily where busy. Returns how many there were."""
    found = mounts_under(path)
    for one in reversed(found):
        try:
            umount(one.path)
        except OSError:
            umount(one.path, lazy=True)
    return len(found)
