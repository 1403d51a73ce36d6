"""Who a container's process is: names resolved in the image's own ``/etc/passwd`` and ``/etc/group``.

The files belong to the image, so they are hostile: opened without leaving the root file system through a symbolic
link, read up to a limit, and lines that do not parse are skipped.
"""

import contextlib
import os
from collections.abc import Iterator

from cri import errors
from cri.images import confined
from cri.oci_spec.process import User
from protocols.cri import api_pb2

_LIMIT = 1 << 20


def resolve(rootfs: str, context: api_pb2.LinuxContainerSecurityContext, image_user: str) -> User:
    """The user, group and supplemental groups of the first process.

    Raises:
        InvalidArgument: a group without a user, or a name the image does not know.
    """
    has_user = context.HasField("run_as_user") or bool(context.run_as_username)
    if context.HasField("run_as_group") and not has_user:
        raise errors.InvalidArgument("user group is specified without user, invalid")
    name, group = _asked(context, image_user)
    uid, primary, login = _user(rootfs, name)
    gid = primary
    if group:
        gid = _group(rootfs, group)
    if context.HasField("run_as_group"):
        gid = context.run_as_group.value
    groups = {int(g) for g in context.supplemental_groups}
    if context.supplemental_groups_policy == api_pb2.Merge and login:
        groups |= {g for _, g, members in _groups(rootfs) if login in members}
    # The primary group is listed as well: without it, a process that gives up its gid would lose access.
    groups.add(gid)
    return User(uid, gid, tuple(sorted(groups)))


def _asked(context: api_pb2.LinuxContainerSecurityContext, image_user: str) -> tuple[str, str]:
    if context.HasField("run_as_user"):
        return str(context.run_as_user.value), ""
    if context.run_as_username:
        return context.run_as_username, ""
    user, _, group = image_user.partition(":")
    return user or "0", group


def _user(rootfs: str, name: str) -> tuple[int, int, str]:
    number = int(name) if name.isdecimal() else None
    for login, uid, gid in _passwd(rootfs):
        if login == name or (number is not None and uid == number):
            return uid, gid, login
    if number is None:
        raise errors.InvalidArgument(f"unable to find user {name}: no matching entries in passwd file")
    return number, 0, ""


def _group(rootfs: str, name: str) -> int:
    if name.isdecimal():
        return int(name)
    for group, gid, _ in _groups(rootfs):
        if group == name:
            return gid
    raise errors.InvalidArgument(f"unable to find group {name}: no matching entries in group file")


def _passwd(rootfs: str) -> Iterator[tuple[str, int, int]]:
    for line in _lines(rootfs, "etc/passwd"):
        parts = line.split(":")
        with contextlib.suppress(ValueError, IndexError):
            yield parts[0], int(parts[2]), int(parts[3])


def _groups(rootfs: str) -> Iterator[tuple[str, int, list[str]]]:
    for line in _lines(rootfs, "etc/group"):
        parts = line.split(":")
        with contextlib.suppress(ValueError, IndexError):
            yield parts[0], int(parts[2]), [m for m in parts[3].split(",") if m]


def _lines(rootfs: str, path: str) -> list[str]:
    try:
        descriptor = confined.open_inside(rootfs, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return []
    try:
        return os.read(descriptor, _LIMIT).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    finally:
        os.close(descriptor)
