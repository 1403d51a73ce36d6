"""Pure: the address ranges of a host-local configuration, and the order in which their addresses are tried."""

from __future__ import annotations

from cni.errors import INVALID_CONFIG, CNIError
from linux import addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Range:
    """A run of addresses of one subnet, and the subnet's gateway, which is never given out."""

    __slots__ = ("end", "gateway", "network", "prefix", "size", "start")

    def __init__(self, raw: dict[str, Any]) -> None:
        packed, self.prefix = addresses.parse_cidr(str(raw.get("subnet") or ""))
        self.size = len(packed)
        first = addresses.network(packed, self.prefix)
        if self.size * 8 - self.prefix < 2:
            raise CNIError(INVALID_CONFIG, f"Network {raw['subnet']} too small to allocate from")
        if first != packed:
            raise CNIError(
                INVALID_CONFIG,
                f"Network has host bits set. For a subnet mask of length {self.prefix} the network address is "
                f"{addresses.unpack(first)}",
            )
        self.network = addresses.to_int(first)
        last = addresses.to_int(addresses.last(packed, self.prefix)) - (1 if self.size == 4 else 0)
        self.gateway = self._inside(raw.get("gateway"), self.network + 1, "gateway")
        self.start = self._inside(raw.get("rangeStart"), self.network + 1, "RangeStart")
        self.end = self._inside(raw.get("rangeEnd"), last, "RangeEnd")
        if self.start > self.end:
            raise CNIError(
                INVALID_CONFIG, f"RangeStart {self.text(self.start)} is behind RangeEnd {self.text(self.end)}"
            )

    def _inside(self, text: Any, default: int, what: str) -> int:
        if not text:
            return default
        packed = addresses.pack(str(text))
        number = addresses.to_int(packed)
        if len(packed) != self.size or number >> self._host_bits != self.network >> self._host_bits:
            raise CNIError(INVALID_CONFIG, f"{what} {text} not in network {self.text(self.network)}/{self.prefix}")
        return number

    @property
    def _host_bits(self) -> int:
        return self.size * 8 - self.prefix

    def text(self, number: int) -> str:
        """The address with that number."""
        return addresses.unpack(addresses.from_int(number, self.size))

    def cidr(self, number: int) -> str:
        """The address with that number, and the subnet's prefix length."""
        return f"{self.text(number)}/{self.prefix}"

    def contains(self, packed: bytes) -> bool:
        """Whether an address may be given out from here (or is the gateway)."""
        return len(packed) == self.size and self.start <= addresses.to_int(packed) <= self.end

    def overlaps(self, other: Range) -> bool:
        """Whether two ranges share an address."""
        return self.size == other.size and self.start <= other.end and other.start <= self.end

    def __str__(self) -> str:
        return f"{self.text(self.start)}-{self.text(self.end)}"


class RangeSet:
    """Ranges of one family; each attachment gets one address from each set."""

    __slots__ = ("ranges",)

    def __init__(self, raw: Any) -> None:
        if not isinstance(raw, list) or not raw:
            raise CNIError(INVALID_CONFIG, "empty range set")
        self.ranges = [Range(one) for one in raw]
        if len({one.size for one in self.ranges}) > 1:
            raise CNIError(INVALID_CONFIG, "mixed address families")
        for index, one in enumerate(self.ranges):
            for other in self.ranges[:index]:
                if one.overlaps(other):
                    raise CNIError(INVALID_CONFIG, f"subnets {other} and {one} overlap")

    def range_of(self, packed: bytes) -> Range | None:
        """The range that an address lies in."""
        return next((one for one in self.ranges if one.contains(packed)), None)

    def candidates(self, last: bytes | None) -> Iterator[tuple[Range, int]]:
        """All addresses, beginning after the one that was given out last, gateways left out."""
        begin, number = 0, self.ranges[0].start
        if last is not None:
            for index, one in enumerate(self.ranges):
                if one.contains(last):
                    begin, number = index, addresses.to_int(last) + 1
                    break
        count = len(self.ranges)
        yield from self._run(self.ranges[begin], number, self.ranges[begin].end)
        for step in range(1, count):
            one = self.ranges[(begin + step) % count]
            yield from self._run(one, one.start, one.end)
        yield from self._run(self.ranges[begin], self.ranges[begin].start, number - 1)

    @staticmethod
    def _run(one: Range, start: int, end: int) -> Iterator[tuple[Range, int]]:
        for number in range(start, end + 1):
            if number != one.gateway:
                yield one, number

    def __str__(self) -> str:
        return ",".join(str(one) for one in self.ranges)


def parse(ipam: dict[str, Any], runtime_config: dict[str, Any]) -> list[RangeSet]:
    """The range sets of a configuration: `ranges` and the old flat `subnet`, or those the runtime gives.

    Raises:
        CNIError: if there are none, they overlap or are not well formed.
    """
    raw = list(ipam.get("ranges") or [])
    if ipam.get("subnet"):
        raw.insert(0, [{key: ipam.get(key) for key in ("subnet", "rangeStart", "rangeEnd", "gateway")}])
    raw = list(runtime_config.get("ipRanges") or []) + raw
    if not raw:
        raise CNIError(INVALID_CONFIG, "no IP ranges specified")
    sets = []
    for index, one in enumerate(raw):
        try:
            sets.append(RangeSet(one))
        except (CNIError, ValueError, AttributeError) as error:
            raise CNIError(INVALID_CONFIG, f"invalid range set {index}: {getattr(error, 'msg', error)}") from error
    for index, one_set in enumerate(sets):
        for other in range(index):
            if any(one.overlaps(two) for one in one_set.ranges for two in sets[other].ranges):
                raise CNIError(INVALID_CONFIG, f"range set {other} overlaps with {index}")
    return sets
