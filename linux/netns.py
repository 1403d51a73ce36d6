"""Namespaces without a process: made in a thread, pinned by a bind mount, entered for one function call.

A thread that has unshared can't come back for sure, so it is thrown away; the bind mount keeps the namespace.
"""

from __future__ import annotations

import os

from linux import c_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    _T = TypeVar("_T")

_LIBC = c_library.Library()
_UNSHARE = _LIBC.function("unshare", c_library.INT, c_library.INT)
_SETNS = _LIBC.function("setns", c_library.INT, c_library.INT, c_library.INT)
_FLAGS = {
    "mnt": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}


def unshare(*kinds: str) -> None:
    """Give the calling thread new namespaces (`net`, `ipc`, `uts`, `mnt`, …).

    Raises:
        OSError: naming the kinds.
    """
    flags = 0
    for kind in kinds:
        flags |= _FLAGS[kind]
    if _UNSHARE(flags):
        number = c_library.get_errno()
        raise OSError(number, f"unshare {','.join(kinds)}: {os.strerror(number)}")


def setns(descriptor: int, kind: str = "net") -> None:
    """Move the calling thread into a namespace.

    Raises:
        OSError: if it is none of that kind, or the move is not allowed.
    """
    if _SETNS(descriptor, _FLAGS[kind]):
        number = c_library.get_errno()
        raise OSError(number, f"setns {kind}: {os.strerror(number)}")


def unshare_file_system_attributes() -> None:
    """Give the calling thread its own root, working directory and umask, so that chroot there moves nobody else.

    Raises:
        OSError: if the kernel refuses.
    """
    if _UNSHARE(0x200):
        number = c_library.get_errno()
        raise OSError(number, f"unshare fs: {os.strerror(number)}")


class entered:  # noqa: N801 - used as a with-block, reads as a verb
    """A block that runs inside a namespace, and comes back to the thread's own one after it.

    Sockets made inside stay in that namespace. Cheaper than run_in, for short work that blocks on nothing. Should the
    way back be refused (it never is to one who was allowed in), the error says that the thread is lost.
    """

    __slots__ = ("_home", "_kind", "_path")

    def __init__(self, path: str, kind: str = "net") -> None:
        self._path, self._kind, self._home = path, kind, -1

    def __enter__(self) -> entered:
        target = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._home = os.open(f"/proc/thread-self/ns/{self._kind}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                setns(target, self._kind)
            except OSError:
                os.close(self._home)
                raise
        finally:
            os.close(target)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            setns(self._home, self._kind)
        finally:
            os.close(self._home)


def same(path: str, kind: str = "net") -> bool:
    """Whether a path is the namespace that the calling thread is in."""
    one, own = os.stat(path), os.stat(f"/proc/thread-self/ns/{kind}")
    return (one.st_dev, one.st_ino) == (own.st_dev, own.st_ino)


def _in_thread(work: Callable[[], _T]) -> _T:
    import threading

    outcome: list[_T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - carried over to the caller
            failure.append(error)

    thread = threading.Thread(target=run, name="namespace")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def pin_namespaces(paths: Mapping[str, str], prepare: Callable[[], None] | None = None) -> None:
    """Make new namespaces and pin each at a path.

    Args:
        paths: Kind (`net`, `ipc`, `uts`) to the file it is bound on; the file is made.
        prepare: Called inside the new namespaces before they are pinned (set a hostname, sysctls).

    Raises:
        OSError: nothing stays pinned then.
    """
    import threading

    from linux import mounts

    def work() -> None:
        unshare(*paths)
        if prepare is not None:
            prepare()
        thread = threading.get_native_id()
        pinned = []
        try:
            for kind, path in paths.items():
                os.close(os.open(path, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o444))
                pinned.append(path)
                mounts.mount(f"/proc/self/task/{thread}/ns/{kind}", path, flags=mounts.MS_BIND)
        except OSError:
            for path in pinned:
                unpin(path)
            raise

    _in_thread(work)


def pin(kind: str, path: str) -> None:
    """Make one new namespace, pinned at a path."""
    pin_namespaces({kind: path})


def unpin(path: str) -> None:
    """Unmount and remove a pin; passes where there is none."""
    from linux import mounts

    try:
        mounts.umount(path, lazy=True)
        os.unlink(path)
    except FileNotFoundError:
        return


def run_in(path: str, work: Callable[[], _T], kind: str = "net") -> _T:
    """Call a function in a thread inside a namespace, and return what it returns.

    Raises:
        OSError: if the namespace can't be entered; otherwise what the function raises.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:

        def entered() -> _T:
            setns(descriptor, kind)
            return work()

        return _in_thread(entered)
    finally:
        os.close(descriptor)


def is_pinned(path: str) -> bool:
    """Whether a path is a pinned namespace (and not just the file it was pinned on)."""
    from linux import mounts

    return mounts.is_mount_point(path)


class lock:  # noqa: N801 - used as a with-block
    """A block that one process at a time runs for the calling thread's network namespace.

    The lock is on the namespace's own file (nsfs): there is no file to leave behind, and its scope is exactly that of
    the kernel's network state.
    """

    __slots__ = ("_descriptor",)

    def __enter__(self) -> lock:
        import fcntl

        self._descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
