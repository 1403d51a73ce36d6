"""Opens paths inside a root file system without ever leaving it.

``openat2(RESOLVE_IN_ROOT)`` makes the kernel treat the directory as ``/`` for absolute links and ``..``, so a hostile
image can not point us at the host's files. Magic links of /proc are refused.
"""

import ctypes
import os

_SYS_OPENAT2 = 437  # the same on every architecture
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_inside(root: str, path: str, flags: int) -> int:
    """Open ``path`` as a process with root directory ``root`` would.

    Raises:
        OSError: as ``open`` does.
    """
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        how = _OpenHow(flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
        result = _libc.syscall(
            ctypes.c_long(_SYS_OPENAT2),
            ctypes.c_long(directory),
            ctypes.c_char_p(os.fsencode(path.lstrip("/") or ".")),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), f"{root}/{path}")
        return int(result)
    finally:
        os.close(directory)


def resolve_inside(root: str, path: str) -> str:
    """The host path that ``path`` means inside ``root``; it exists.

    Raises:
        OSError: it does not exist.
    """
    descriptor = open_inside(root, path, os.O_PATH)
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def make_directories(root: str, path: str, uid: int, gid: int) -> None:
    """Make a directory inside ``root`` with all above it; new ones belong to ``uid`` and ``gid``.

    Raises:
        OSError: something on the way is no directory.
    """
    made = ""
    for name in path.strip("/").split("/"):
        above, made = made, f"{made}/{name}"
        try:
            os.close(open_inside(root, made, os.O_PATH | os.O_DIRECTORY))
        except FileNotFoundError:
            parent = open_inside(root, above, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.mkdir(name, 0o755, dir_fd=parent)
                os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
            finally:
                os.close(parent)
