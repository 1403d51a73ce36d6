"""Mounts whose file owners are shifted into a user namespace (mount_setattr(2), kernel 5.12; overlay on them 5.19).

A pod with its own user namespace sees uid 0 where the disk says uid 0, although its root is another uid to the node.
Works on file systems that allow it; others refuse with EINVAL. Blocks.
"""

import ctypes
import os
import pathlib
import stat

from cri import errors

_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442  # the same on every architecture
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC = 0x1, 0x80000
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
_MOUNT_ATTR_IDMAP = 0x100000

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def mount(source: str, target: pathlib.Path, user_namespace: str) -> None:
    """Show ``source`` at ``target`` with owners mapped as in a user namespace.

    Raises:
        Internal: the kernel or the file system can not do that.
    """
    try:
        _mount(source, target, user_namespace)
    except OSError as error:
        raise errors.Internal(f"cannot map the owners of {source} into a user namespace: {error.strerror}") from error


def make_accessible(path: str) -> None:
    """Let everybody pass through (not list) the directories above a path."""
    for parent in pathlib.Path(path).parents:
        mode = stat.S_IMODE(parent.stat().st_mode)
        if mode & 0o011 != 0o011:
            parent.chmod(mode | 0o011)


def _mount(source: str, target: pathlib.Path, user_namespace: str) -> None:
    tree = _call(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(source), _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC)
    try:
        namespace = os.open(user_namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            attributes = _MountAttributes(_MOUNT_ATTR_IDMAP, 0, 0, namespace)
            size = ctypes.sizeof(attributes)
            _call(_SYS_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, ctypes.byref(attributes), size)
        finally:
            os.close(namespace)
        if os.path.isdir(source):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        _call(_SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(tree)


def _call(number: int, *arguments: object) -> int:
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *converted))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
