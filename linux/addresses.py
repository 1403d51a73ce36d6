"""IP addresses and prefixes as packed bytes: the little that netlink and address management need.

The standard library's ipaddress costs a fresh interpreter five milliseconds, which a CNI executable can't afford.
"""

from __future__ import annotations

import _socket

AF_INET = 2
AF_INET6 = 10


def pack(text: str) -> bytes:
    """Four or sixteen bytes of an address.

    Raises:
        ValueError: naming the text.
    """
    try:
        return _socket.inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, TypeError, ValueError):
        raise ValueError(f"invalid IP address: {text}") from None


def unpack(packed: bytes) -> str:
    """The usual text of an address."""
    return _socket.inet_ntop(family(packed), packed)


def family(packed: bytes) -> int:
    """AF_INET or AF_INET6."""
    return AF_INET if len(packed) == 4 else AF_INET6


def parse_cidr(text: str) -> tuple[bytes, int]:
    """The address (host bits kept) and the prefix length of `address/length`.

    Raises:
        ValueError: naming the text.
    """
    address, slash, length = text.partition("/")
    try:
        packed = pack(address)
        bits = int(length)
    except ValueError:
        raise ValueError(f"invalid CIDR address: {text}") from None
    if not slash or not 0 <= bits <= len(packed) * 8 or not length.isdigit():
        raise ValueError(f"invalid CIDR address: {text}")
    return packed, bits


def to_int(packed: bytes) -> int:
    """The address as a number."""
    return int.from_bytes(packed, "big")


def from_int(number: int, length: int) -> bytes:
    """The address with that number, four or sixteen bytes long."""
    return number.to_bytes(length, "big")


def network(packed: bytes, prefix: int) -> bytes:
    """The first address of the prefix."""
    size = len(packed) * 8
    return from_int(to_int(packed) >> (size - prefix) << (size - prefix), len(packed))


def last(packed: bytes, prefix: int) -> bytes:
    """The last address of the prefix (the broadcast address in IPv4)."""
    size = len(packed) * 8
    return from_int(to_int(packed) | ((1 << (size - prefix)) - 1), len(packed))


def contains(packed: bytes, prefix: int, address: bytes) -> bool:
    """Whether an address lies in a prefix."""
    return len(packed) == len(address) and network(packed, prefix) == network(address, prefix)


def network_text(cidr: str) -> str:
    """The prefix that an `address/length` lies in, as text."""
    packed, prefix = parse_cidr(cidr)
    return f"{unpack(network(packed, prefix))}/{prefix}"
