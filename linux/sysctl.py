"""Kernel parameters, by their dotted names.

As with sysctl(8), dots separate and a slash stands for a dot inside a part (`net.ipv4.conf.eth0/1.forwarding`); a name
with slashes only is taken as it is. Those under `net.` are those of the calling thread's network namespace.
"""

from __future__ import annotations

import errno
import os

_ROOT = "/proc/sys/"
_SWAP = str.maketrans("./", "/.")


def path(name: str) -> str:
    """The file of a parameter.

    Raises:
        OSError: the name would lead elsewhere.
    """
    by_slashes = "/" in name and name.find("/") < name.find(".") % (len(name) + 1)
    below = name if by_slashes else name.translate(_SWAP)
    if {"", ".", ".."} & set(below.split("/")):
        raise OSError(errno.EINVAL, "not the name of a kernel parameter", name)
    return _ROOT + below


def read(name: str) -> str:
    """The value, without its newline.

    Raises:
        OSError: if there is none.
    """
    descriptor = os.open(path(name), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 65536).decode().rstrip("\n")
    finally:
        os.close(descriptor)


def write(name: str, value: str | int) -> None:
    """Set the value, unless it is set already (so that read-only hosts with the right value pass).

    Raises:
        OSError: if it can't be set.
    """
    wanted = str(value)
    try:
        if read(name).strip() == wanted:
            return
    except OSError:
        pass
    descriptor = os.open(path(name), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, wanted.encode())
    finally:
        os.close(descriptor)


def exists(name: str) -> bool:
    """Whether the kernel has the parameter."""
    try:
        return os.path.exists(path(name))
    except OSError:
        return False
