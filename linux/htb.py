"""Traffic control for a part of what a link sends: a limit that some subnets are under, or free of (HTB and u32).

The functions return messages for netlink.Netlink.send. What no class takes is sent without any limit.
"""

from __future__ import annotations

import struct

from linux import addresses
from linux.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    RTM_GETTCLASS,
    RTM_NEWQDISC,
    RTM_NEWTCLASS,
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
_ROOT, _HANDLE = 0xFFFFFFFF, 0x00010000
_LIMITED, _DIRECT = _HANDLE | 0x30, _HANDLE
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TCA_HTB_PARMS, _TCA_HTB_INIT, _TCA_HTB_RATE64, _TCA_HTB_CEIL64 = 1, 2, 6, 7
_TCA_U32_CLASSID, _TCA_U32_SEL = 1, 5
_U32_TERMINAL = 1
_LINK_ETHERNET = 1
_MAX_U32 = 0xFFFFFFFF
_TICK_NANOSECONDS, _NANOSECONDS = 64, 1_000_000_000
_QUANTUM_LEAST, _QUANTUM_MOST, _QUANTUM_PART = 1500, 200_000, 10
# The ethernet type, the filters' priority (each family needs its own) and where the addresses are in the header.
_FAMILIES = {addresses.AF_INET: (0x0800, 1, (12, 16)), addresses.AF_INET6: (0x86DD, 2, (8, 24))}


def limits(index: int, rate: int, burst: int, subnets: list[str], *, only_them: bool) -> list[Message]:
    """Limit what a link sends, but for what is from or to some subnets; or just that.

    Args:
        index: The link.
        rate: Bits a second.
        burst: Bits that may go at once.
        subnets: `address/length`, of both families.
        only_them: They are limited, and nothing else; else all but they.
    """
    begin = struct.pack("=IIIII", 3, _QUANTUM_PART, 0 if only_them else _LIMITED & 0xFFFF, 0, 0)
    options = nested(_TCA_OPTIONS, attribute(_TCA_HTB_INIT, begin))
    head = _TC.pack(0, index, _HANDLE, _ROOT, 0) + text(_TCA_KIND, "htb")
    batch = [Message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, head + options, "limit rates of link")]
    batch.append(_class(index, max(1, rate // 8), max(1, burst // 8)))
    target = _LIMITED if only_them else _DIRECT
    for subnet in subnets:
        packed, prefix = addresses.parse_cidr(subnet)
        protocol, priority, offsets = _FAMILIES[addresses.family(packed)]
        batch += [_filter(index, protocol, priority, _keys(packed, prefix, offset), target) for offset in offsets]
    return batch


def _class(index: int, rate: int, burst: int) -> Message:
    spec = _RATE.pack(0, _LINK_ETHERNET, 0, 0, 0, min(rate, _MAX_U32))
    ticks = min(_MAX_U32, burst * _NANOSECONDS // rate // _TICK_NANOSECONDS)
    quantum = max(_QUANTUM_LEAST, min(_QUANTUM_MOST, rate // _QUANTUM_PART))
    parameters = spec + spec + struct.pack("=IIIII", ticks, ticks, quantum, 0, 0)
    options = attribute(_TCA_HTB_PARMS, parameters)
    if rate > _MAX_U32:
        options += attribute(_TCA_HTB_RATE64, struct.pack("=Q", rate))
        options += attribute(_TCA_HTB_CEIL64, struct.pack("=Q", rate))
    body = _TC.pack(0, index, _LIMITED, _HANDLE, 0) + text(_TCA_KIND, "htb") + nested(_TCA_OPTIONS, options)
    return Message(RTM_NEWTCLASS, NLM_F_CREATE, body, "add class to link")


def _keys(packed: bytes, prefix: int, offset: int) -> list[bytes]:
    """The comparisons of an address with a subnet, four bytes each."""
    mask = addresses.from_int((1 << len(packed) * 8) - (1 << len(packed) * 8 - prefix), len(packed))
    network = addresses.network(packed, prefix)
    steps = range(0, max(1, -(-prefix // 32)) * 4, 4)
    return [mask[step : step + 4] + network[step : step + 4] + struct.pack("=ii", offset + step, 0) for step in steps]


def _filter(index: int, protocol: int, priority: int, keys: list[bytes], target: int) -> Message:
    select = struct.pack("=BBBxHHhhI", _U32_TERMINAL, 0, len(keys), 0, 0, 0, 0, 0) + b"".join(keys)
    options = attribute(_TCA_U32_CLASSID, struct.pack("=I", target)) + attribute(_TCA_U32_SEL, select)
    wire = int.from_bytes(protocol.to_bytes(2, "big"), "little")
    body = _TC.pack(0, index, 0, _HANDLE, priority << 16 | wire) + text(_TCA_KIND, "u32")
    return Message(
        RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, body + nested(_TCA_OPTIONS, options), "add filter to link"
    )


def rates(index: int, nl: Netlink) -> list[int]:
    """The limits, in bits a second, that are on parts of what a link sends."""
    found = []
    for _, body in nl.dump(Message(RTM_GETTCLASS, 0, _TC.pack(0, index, 0, 0, 0), "list classes")):
        fields = attributes(body, _TC.size)
        if fields.get(_TCA_KIND, b"").rstrip(b"\0") != b"htb":
            continue
        options = attributes(fields.get(_TCA_OPTIONS, b""))
        rate = _RATE.unpack_from(options[_TCA_HTB_PARMS])[5]
        if _TCA_HTB_RATE64 in options:
            rate = int.from_bytes(options[_TCA_HTB_RATE64], "little")
        found.append(rate * 8)
    return found
