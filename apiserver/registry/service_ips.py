"""Cluster IPs: which are taken is read off the stored Services; what is being written is reserved beside them.

So nothing has to be repaired: after a crash the stored Services are again all there is. The lower band of the range
is left to addresses asked for by hand (KEP-3070).
"""

from __future__ import annotations

import ipaddress
import random

_MIN_BAND, _MAX_BAND, _BAND_SHARE = 16, 256, 16
_RANDOM_TRIES = 64

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AddressError(ValueError):
    """An address that can't be had; the text says why."""


class ServiceAddresses:
    """The addresses of one service range."""

    def __init__(self, cidr: str) -> None:
        self.network: Network = ipaddress.ip_network(cidr, strict=False)
        self._holders: dict[str, str] = {}
        self._reserved: set[str] = set()
        size = min(self.network.num_addresses, 1 << 16)
        self._first = int(self.network.network_address) + 1
        self._count = size - 2
        band = max(_MIN_BAND, min(_MAX_BAND, size // _BAND_SHARE)) if size > _MIN_BAND else 0
        self._band = min(band, self._count)
        self.reserved_first = str(ipaddress.ip_address(self._first))

    @property
    def family(self) -> str:
        """IPv4 or IPv6."""
        return "IPv4" if self.network.version == 4 else "IPv6"

    def hold(self, address: str, key: str) -> None:
        """Note that a stored Service has an address."""
        self._holders[address] = key
        self._reserved.discard(address)

    def drop(self, address: str, key: str) -> None:
        """Note that a stored Service no longer has an address."""
        if self._holders.get(address) == key:
            del self._holders[address]

    def release(self, address: str) -> None:
        """Give back a reservation that came to nothing."""
        self._reserved.discard(address)

    def _free(self, address: str) -> bool:
        return address not in self._holders and address not in self._reserved

    def take(self, address: str, key: str) -> None:
        """Reserve a given address; `AddressError`."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError as error:
            raise AddressError("must be a valid IP address") from error
        if parsed not in self.network:
            raise AddressError(
                f"failed to allocate IP {address}: the provided IP ({address}) is not in the valid range. "
                f"The range of valid IPs is {self.network}"
            )
        if not self._free(address) and self._holders.get(address) != key:
            raise AddressError(f"failed to allocate IP {address}: provided IP is already allocated")
        self._reserved.add(address)

    def allocate(self) -> str:
        """Reserve any free address; `AddressError` when there is none."""
        upper = self._count - self._band
        for _ in range(_RANDOM_TRIES if upper > 0 else 0):
            address = str(ipaddress.ip_address(self._first + self._band + random.randrange(upper)))  # noqa: S311
            if self._free(address):
                self._reserved.add(address)
                return address
        for offset in (*range(self._band, self._count), *range(self._band)):
            address = str(ipaddress.ip_address(self._first + offset))
            if self._free(address):
                self._reserved.add(address)
                return address
        raise AddressError("failed to allocate a serviceIP: range is full")
