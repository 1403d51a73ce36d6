"""Which attachment holds which address: a file per address, as the reference plugin keeps them.

`DIR/NETWORK/ADDRESS` holds the container's id and the interface; `last_reserved_ip.N` where the next search of range
set N begins; `lock` is what everyone locks. A reservation appears with its content or not at all.
"""

from __future__ import annotations

import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_DIRECTORY = "/var/lib/cni/networks"
_LINE_BREAK = "\r\n"
_LAST_PREFIX = "last_reserved_ip."
_NEW = ".new"


class DiskStore:
    """The reservations of a network; use it as a context manager, which holds the lock."""

    __slots__ = ("_directory", "_lock")

    def __init__(self, network: str, data_dir: str = "") -> None:
        self._directory = f"{data_dir or DEFAULT_DIRECTORY}/{network}"
        self._lock = -1

    def __enter__(self) -> DiskStore:
        os.makedirs(self._directory, 0o755, exist_ok=True)
        self._lock = os.open(f"{self._directory}/lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)
        self._lock = -1

    @property
    def there(self) -> bool:
        """Whether the network has a directory at all."""
        return os.path.isdir(self._directory)

    def reserve(self, container_id: str, ifname: str, address: str, range_set: int) -> bool:
        """Hold an address. Returns False where somebody has it."""
        target = f"{self._directory}/{address}"
        if os.path.exists(target):
            return False
        # Written first, then linked, so that no reservation is ever without its content. The name is always the same
        # (the lock is ours), so that the next call removes what one that was killed has left. It may be a second name
        # of a reservation: it must not be written to.
        temporary = f"{self._directory}/{_NEW}"
        _unlink(temporary)
        _write(temporary, f"{container_id}{_LINE_BREAK}{ifname}")
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        finally:
            os.unlink(temporary)
        _write(f"{self._directory}/{_LAST_PREFIX}{range_set}", address)
        return True

    def last_reserved(self, range_set: int) -> str:
        """The address that was given out last from a range set; empty where there is none."""
        return _read(f"{self._directory}/{_LAST_PREFIX}{range_set}").strip()

    def held_by(self, container_id: str, ifname: str) -> list[str]:
        """The addresses that an attachment holds."""
        return [name for name, holder, interface in self._all() if holder == container_id and interface == ifname]

    def release(self, container_id: str, ifname: str) -> None:
        """Free what an attachment holds, also in files of old versions that name no interface."""
        self._release(lambda holder, interface: holder == container_id and interface in ("", ifname))

    def collect(self, valid: set[tuple[str, str]]) -> None:
        """Free what none of the valid attachments holds."""
        ids = {container_id for container_id, _ in valid}
        self._release(
            lambda holder, interface: (holder not in ids) if not interface else ((holder, interface) not in valid)
        )

    def _release(self, matches: Callable[[str, str], bool]) -> None:
        _unlink(f"{self._directory}/{_NEW}")
        for name, holder, interface in self._all():
            if matches(holder, interface):
                _unlink(f"{self._directory}/{name}")

    def _all(self) -> list[tuple[str, str, str]]:
        found = []
        for name in os.listdir(self._directory):
            if name == "lock" or name.startswith(_LAST_PREFIX) or name[0] == ".":
                continue
            holder, _, interface = _read(f"{self._directory}/{name}").strip().partition("\n")
            found.append((name, holder.strip(), interface.strip()))
        return found


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _read(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 4096).decode(errors="replace")
    finally:
        os.close(descriptor)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
