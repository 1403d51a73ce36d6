"""Node ports: as `service_ips`, for the port range."""

from __future__ import annotations

import random

from apiserver.registry.service_ips import AddressError

_RANDOM_TRIES = 64


class NodePorts:
    """The ports of the node port range. A port is one resource for all protocols of one Service."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        self._holders: dict[int, str] = {}
        self._reserved: set[int] = set()

    def hold(self, port: int, key: str) -> None:
        """Note that a stored Service has a port."""
        self._holders[port] = key
        self._reserved.discard(port)

    def drop(self, port: int, key: str) -> None:
        """Note that a stored Service no longer has a port."""
        if self._holders.get(port) == key:
            del self._holders[port]

    def release(self, port: int) -> None:
        """Give back a reservation that came to nothing."""
        self._reserved.discard(port)

    def _free(self, port: int) -> bool:
        return port not in self._holders and port not in self._reserved

    def take(self, port: int, key: str) -> None:
        """Reserve a given port; `AddressError`."""
        if not self.first <= port <= self.last:
            raise AddressError(
                f"provided port is not in the valid range. The range of valid ports is {self.first}-{self.last}"
            )
        if not self._free(port) and self._holders.get(port) != key:
            raise AddressError("provided port is already allocated")
        self._reserved.add(port)

    def allocate(self) -> int:
        """Reserve any free port; `AddressError` when there is none."""
        size = self.last - self.first + 1
        for _ in range(_RANDOM_TRIES):
            port = self.first + random.randrange(size)  # noqa: S311
            if self._free(port):
                self._reserved.add(port)
                return port
        for port in range(self.first, self.last + 1):
            if self._free(port):
                self._reserved.add(port)
                return port
        raise AddressError("range is full")


def parse_range(text: str) -> tuple[int, int]:
    """Return the ends of `30000-32767`; `ValueError`."""
    first, dash, last = text.partition("-")
    if not dash or not first.isdecimal() or not last.isdecimal() or not 0 < int(first) <= int(last) < 65536:
        raise ValueError(f'invalid port range "{text}", expected "first-last"')
    return int(first), int(last)
