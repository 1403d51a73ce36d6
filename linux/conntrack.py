"""Connection tracking: deletes flows, so that packets of a UDP "connection" find new rules instead of old ones."""

from __future__ import annotations

import errno
import struct

from linux import addresses
from linux.netlink import Message, Netlink, NetlinkError, attribute_list, attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_NETLINK_NETFILTER = 12
_SUBSYSTEM = 1 << 8
_GET, _DELETE = _SUBSYSTEM | 1, _SUBSYSTEM | 2
_CTA_TUPLE_ORIG, _CTA_TUPLE_REPLY = 1, 2
_CTA_TUPLE_IP, _CTA_TUPLE_PROTO = 1, 2
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}


class Flow:
    """One flow: its original and reply direction, as (source, destination, source port, destination port)."""

    __slots__ = ("family", "original", "protocol", "raw", "reply")

    def __init__(self, body: bytes) -> None:
        self.family = body[0]
        self.raw = b""
        self.protocol = 0
        self.original = self.reply = ("", "", 0, 0)
        for kind, value in attribute_list(body, 4):
            if kind == _CTA_TUPLE_ORIG:
                self.protocol, self.original = _tuple(value)
                length = len(value) + 4
                self.raw = struct.pack("=HH", length, kind | 0x8000) + value + b"\0" * (-length % 4)
            elif kind == _CTA_TUPLE_REPLY:
                _, self.reply = _tuple(value)


def _tuple(data: bytes) -> tuple[int, tuple[str, str, int, int]]:
    parts = attributes(data)
    ip, protocol = attributes(parts.get(_CTA_TUPLE_IP, b"")), attributes(parts.get(_CTA_TUPLE_PROTO, b""))
    source = ip.get(1) or ip.get(3) or b""
    destination = ip.get(2) or ip.get(4) or b""
    return int.from_bytes(protocol.get(1, b"\0"), "big"), (
        addresses.unpack(source) if source else "",
        addresses.unpack(destination) if destination else "",
        int.from_bytes(protocol.get(2, b""), "big"),
        int.from_bytes(protocol.get(3, b""), "big"),
    )


def flows(family: int = addresses.AF_INET) -> list[Flow]:
    """The flows of a family."""
    with Netlink(_NETLINK_NETFILTER) as nl:
        return _flows(nl, family)


def _flows(nl: Netlink, family: int) -> list[Flow]:
    dumped = nl.dump(Message(_GET, 0, struct.pack("=BBH", family, 0, 0), "list tracked flows"))
    return [Flow(body) for _, body in dumped]


def delete_flows(
    protocol: str = "udp",
    *,
    family: int = addresses.AF_INET,
    destination_ports: Collection[int] = (),
    destinations: Collection[str] = (),
    reply_sources: Collection[str] = (),
) -> int:
    """Delete the flows of a protocol that match all conditions that are given. Returns how many there were.

    Args:
        protocol: `udp`, `tcp` or `sctp`.
        family: AF_INET or AF_INET6.
        destination_ports: Ports that the flow's first packet went to.
        destinations: Addresses that the flow's first packet went to.
        reply_sources: Addresses that answer (the backends, after address translation).

    Raises:
        NetlinkError: if the kernel refuses; not where it tracks no connections.
    """
    number = _PROTOCOLS[protocol]
    try:
        with Netlink(_NETLINK_NETFILTER) as nl:
            batch = [
                Message(_DELETE, 0, struct.pack("=BBH", family, 0, 0) + flow.raw, "delete flow", (errno.ENOENT,))
                for flow in _flows(nl, family)
                if flow.protocol == number
                and (not destination_ports or flow.original[3] in destination_ports)
                and (not destinations or flow.original[1] in destinations)
                and (not reply_sources or flow.reply[0] in reply_sources)
            ]
            for start in range(0, len(batch), 256):
                nl.send(*batch[start : start + 256])
    except NetlinkError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT, errno.EPROTONOSUPPORT):
            return 0
        raise
    except OSError as error:
        if error.errno == errno.EPROTONOSUPPORT:
            return 0
        raise
    return len(batch)
