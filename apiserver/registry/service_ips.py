"""Cluster IPs: which are taken is read off the stored Services and IPAddresses, what is being written is kept beside.

The ranges are those of the ServiceCIDR objects (KEP-1880). The lower band of each range is left to addresses asked for
by hand (KEP-3070).
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator

_MIN_BAND, _MAX_BAND, _BAND_SHARE = 16, 256, 16
_MOST_ADDRESSES = 1 << 16

TAKEN = "provided IP is already allocated"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AddressError(ValueError):
    """An address that can't be had; the text says why."""


class RangeFullError(AddressError):
    """No address is left."""


def family_of(text: str) -> str:
    """Return IPv4 or IPv6 for an address or a network."""
    return "IPv6" if ":" in text else "IPv4"


class ServiceRange:
    """One network that Services get their addresses from."""

    def __init__(self, cidr: str) -> None:
        self.network: Network = ipaddress.ip_network(cidr, strict=False)
        size = min(self.network.num_addresses, _MOST_ADDRESSES)
        self._first = int(self.network.network_address) + 1
        self._count = max(size - (2 if self.network.version == 4 else 1), 0)
        band = max(_MIN_BAND, min(_MAX_BAND, size // _BAND_SHARE)) if size > _MIN_BAND else 0
        self._band = min(band, self._count)
        self.first = self._address(0)

    def _address(self, offset: int) -> str:
        kind = ipaddress.IPv4Address if self.network.version == 4 else ipaddress.IPv6Address
        return str(kind(self._first + offset))

    def refuses(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Whether an address of the network is its own or its broadcast address."""
        last = self.network.broadcast_address if self.network.version == 4 else None
        return address in (self.network.network_address, last)

    def candidates(self) -> Iterator[str]:
        """Yield every address, those above the band first, each part from a random place on."""
        for start, end in ((self._band, self._count), (0, self._band)):
            size = end - start
            offset = random.randrange(size) if size else 0  # noqa: S311 - to spread them, nothing is secret
            for step in range(size):
                yield self._address(start + (offset + step) % size)


class ServiceAddresses:
    """The addresses of one family: its ranges, and who holds what."""

    def __init__(self) -> None:
        self._ranges: dict[str, tuple[list[ServiceRange], bool]] = {}
        self._services: dict[str, str] = {}
        self._objects: set[str] = set()
        self._reserved: dict[str, bool] = {}

    # -- ranges ----------------------------------------------------------------------------------------------------

    def offer(self, name: str, cidrs: list[str], *, ready: bool) -> None:
        """Take over the ranges of a ServiceCIDR; one that isn't ready gives no new addresses."""
        self._ranges[name] = ([ServiceRange(cidr) for cidr in cidrs], ready)

    def withdraw(self, name: str) -> None:
        """Forget the ranges of a ServiceCIDR."""
        self._ranges.pop(name, None)

    def _ready(self) -> Iterator[ServiceRange]:
        return (one for ranges, ready in self._ranges.values() if ready for one in ranges)

    def covers(self, address: str) -> bool:
        """Whether an address lies in any range, ready or not."""
        parsed = ipaddress.ip_address(address)
        return any(parsed in one.network for ranges, _ in self._ranges.values() for one in ranges)

    # -- what is stored --------------------------------------------------------------------------------------------

    def hold(self, address: str, key: str) -> None:
        """Note that a stored Service has an address."""
        self._services[address] = key
        self._reserved.pop(address, None)

    def drop(self, address: str, key: str) -> None:
        """Note that a stored Service no longer has an address."""
        if self._services.get(address) == key:
            del self._services[address]

    def lacks_object(self, address: str) -> bool:
        """Whether a stored Service has an address without an IPAddress."""
        return address in self._services and address not in self._objects

    def hold_object(self, address: str) -> None:
        """Note that there is an IPAddress."""
        self._objects.add(address)

    def drop_object(self, address: str) -> None:
        """Note that an IPAddress is gone."""
        self._objects.discard(address)

    # -- what is being written -------------------------------------------------------------------------------------

    def release(self, address: str) -> None:
        """Give back a reservation that came to nothing."""
        self._reserved.pop(address, None)

    def is_reserved(self, address: str) -> bool:
        """Whether a write that takes an address is under way."""
        return address in self._reserved

    def is_replaceable(self, address: str) -> bool:
        """Whether a reserved address was chosen here, so that another would do as well."""
        return self._reserved.get(address, False)

    def _free(self, address: str) -> bool:
        return address not in self._services and address not in self._objects and address not in self._reserved

    def take(self, address: str) -> None:
        """Reserve a given address; `AddressError`."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError as error:
            raise AddressError("must be a valid IP address") from error
        found = next((one for one in self._ready() if parsed in one.network), None)
        if found is None:
            raise AddressError("the provided network does not match the current range")
        if found.refuses(parsed):
            raise AddressError(
                f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {found.network}"
            )
        if not self._free(address):
            raise AddressError(TAKEN)
        self._reserved[address] = False

    def allocate(self) -> str:
        """Reserve any free address; `RangeFullError`."""
        for one in self._ready():
            for address in one.candidates():
                if self._free(address):
                    self._reserved[address] = True
                    return address
        raise RangeFullError("range is full")
