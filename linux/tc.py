"""Traffic control: a token bucket on a link, and sending what a link receives through another one (ifb).

The functions return messages for netlink.Netlink.send.
"""

from __future__ import annotations

import struct

from linux import links
from linux.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    RTM_GETQDISC,
    RTM_NEWQDISC,
    RTM_NEWTFILTER,
    Message,
    Netlink,
    attribute,
    attributes,
    nested,
    text,
)

_TC = struct.Struct("=BxxxiIII")
_RATE = struct.Struct("=BBHhHI")
_ROOT = 0xFFFFFFFF
_INGRESS = 0xFFFFFFF1
_INGRESS_HANDLE = 0xFFFF0000
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TCA_TBF_PARMS, _TCA_TBF_RATE64 = 1, 4
_TCA_U32_SEL, _TCA_U32_ACT = 5, 7
_TCA_ACT_KIND, _TCA_ACT_OPTIONS, _TCA_MIRRED_PARMS = 1, 2, 2
_ETH_P_ALL = 0x0003
_TC_ACT_STOLEN, _EGRESS_REDIRECT = 4, 1
_TICK_NANOSECONDS = 64
_NANOSECONDS = 1_000_000_000
_LATENCY_SECONDS = 0.025
_MAX_U32 = 0xFFFFFFFF
_LINK_ETHERNET = 1


def _bucket(rate: int, burst: int) -> tuple[int, int, int]:
    """The kernel's numbers for a rate and a burst in bits: bytes a second, bytes that may wait, ticks of the burst."""
    rate_bytes, burst_bytes = max(1, rate // 8), max(1, burst // 8)
    ticks = min(_MAX_U32, burst_bytes * _NANOSECONDS // rate_bytes // _TICK_NANOSECONDS)
    return rate_bytes, min(_MAX_U32, int(rate_bytes * _LATENCY_SECONDS) + burst_bytes), ticks


def token_bucket(index: int, rate: int, burst: int) -> Message:
    """Limit what a link sends.

    Args:
        index: The link.
        rate: Bits a second.
        burst: Bits that may go at once.
    """
    rate_bytes, limit, ticks = _bucket(rate, burst)
    spec = _RATE.pack(0, _LINK_ETHERNET, 0, 0, 0, min(rate_bytes, _MAX_U32))
    parameters = spec + bytes(_RATE.size) + struct.pack("=III", limit, ticks, 0)
    options = attribute(_TCA_TBF_PARMS, parameters)
    if rate_bytes > _MAX_U32:
        options += attribute(_TCA_TBF_RATE64, struct.pack("=Q", rate_bytes))
    body = _TC.pack(0, index, 0x00010000, _ROOT, 0) + text(_TCA_KIND, "tbf") + nested(_TCA_OPTIONS, options)
    return Message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, body, "limit rate of link")


def ingress(index: int) -> Message:
    """Let filters see what a link receives."""
    body = _TC.pack(0, index, _INGRESS_HANDLE, _INGRESS, 0) + text(_TCA_KIND, "ingress")
    return Message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, body, "add ingress to link")


def redirect(index: int, target: int) -> Message:
    """Send all that a link receives out of another link."""
    protocol = int.from_bytes(_ETH_P_ALL.to_bytes(2, "big"), "little")
    select = struct.pack("=BBBxHHhhI", 1, 0, 1, 0, 0, 0, 0, 0) + struct.pack("=IIii", 0, 0, 0, 0)
    mirred = struct.pack("=IIiiiiI", 0, 0, _TC_ACT_STOLEN, 0, 0, _EGRESS_REDIRECT, target)
    action = nested(1, text(_TCA_ACT_KIND, "mirred"), nested(_TCA_ACT_OPTIONS, attribute(_TCA_MIRRED_PARMS, mirred)))
    options = nested(_TCA_OPTIONS, attribute(_TCA_U32_SEL, select), nested(_TCA_U32_ACT, action))
    body = _TC.pack(0, index, 0, _INGRESS_HANDLE, 1 << 16 | protocol) + text(_TCA_KIND, "u32") + options
    return Message(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, body, "redirect traffic of link")


def new_ifb(name: str, mtu: int) -> Message:
    """Make an intermediate link."""
    from linux.netlink import u32

    return links.new_link(name, "ifb", extra=u32(links.IFLA_MTU, mtu) if mtu else b"", up=True)


class Qdisc:
    """A queueing discipline of a link."""

    __slots__ = ("index", "kind", "limit", "parent", "rate", "ticks")

    def __init__(self, body: bytes) -> None:
        _, self.index, _, self.parent, _ = _TC.unpack_from(body)
        found = attributes(body, 20)
        self.kind = found.get(_TCA_KIND, b"").rstrip(b"\0").decode()
        self.rate = self.limit = self.ticks = 0
        if self.kind == "tbf":
            options = attributes(found.get(_TCA_OPTIONS, b""))
            parameters = options[_TCA_TBF_PARMS]
            self.rate = _RATE.unpack_from(parameters)[5] * 8
            self.limit, self.ticks = struct.unpack_from("=II", parameters, 2 * _RATE.size)
            if _TCA_TBF_RATE64 in options:
                self.rate = int.from_bytes(options[_TCA_TBF_RATE64], "little") * 8

    def limits_to(self, rate: int, burst: int) -> bool:
        """Whether it is a token bucket of this rate and burst (bits), as nearly as other programs round."""
        rate_bytes, limit, ticks = _bucket(rate, burst)
        ticks = min(ticks, _MAX_U32 // _TICK_NANOSECONDS)  # the kernel keeps it in nanoseconds
        near = all(abs(have - asked) <= asked // 100 + 64 for have, asked in ((self.limit, limit), (self.ticks, ticks)))
        return self.kind == "tbf" and self.rate == rate_bytes * 8 and near


def qdiscs(index: int, nl: Netlink) -> list[Qdisc]:
    """The queueing disciplines of a link."""
    dumped = nl.dump(Message(RTM_GETQDISC, 0, _TC.pack(0, index, 0, 0, 0), "list queueing disciplines"))
    return [one for one in (Qdisc(body) for _, body in dumped) if one.index == index]
