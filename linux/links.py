"""Network links, addresses and routes of the namespace that the calling thread is in.

The functions whose names are verbs do it at once, over a socket of their own or the one they are given; those that
return a Message are for batches (netlink.Netlink.send). Addresses are text (`10.0.0.1/24`, `fd00::1/64`).
"""

from __future__ import annotations

import errno
import os
import struct

from linux import addresses
from linux.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELROUTE,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_GETROUTE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    RTM_SETLINK,
    Message,
    Netlink,
    NetlinkError,
    attribute,
    attributes,
    nested,
    text,
    u8,
    u16,
    u32,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

IFF_UP = 1
IFF_PROMISC = 0x100
IFF_ALLMULTI = 0x200
IFF_LOWER_UP = 0x10000
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_TXQLEN = 1, 3, 4, 5, 10, 13
IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_NET_NS_FD, IFLA_IFALIAS, IFLA_AF_SPEC, IFLA_PROTINFO = 16, 18, 28, 20, 26, 12
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
IFLA_BRPORT_MODE, IFLA_BRPORT_ISOLATED = 4, 33
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS = 1, 2, 4, 8
IFA_F_NODAD, IFA_F_DADFAILED, IFA_F_TENTATIVE, IFA_F_NOPREFIXROUTE = 0x02, 0x08, 0x40, 0x200
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_METRICS, RTA_TABLE = 1, 4, 5, 6, 7, 8, 15
SCOPE_UNIVERSE, SCOPE_LINK, SCOPE_HOST = 0, 253, 254
OPERSTATE_UP = 6
_AF_BRIDGE = 7
_INFO = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")
_ROUTE = struct.Struct("=BBBBBBBBI")
_RTPROT_BOOT, _RTN_UNICAST, MAIN_TABLE = 3, 1, 254


_METRICS = {"mtu": 2, "advmss": 8}


class Link:
    """What the kernel says of one link."""

    __slots__ = (
        "alias",
        "flags",
        "index",
        "info",
        "kind",
        "mac",
        "master",
        "mtu",
        "name",
        "operstate",
        "parent",
        "txqlen",
    )

    def __init__(self, body: bytes) -> None:
        _, _, self.index, self.flags, _ = _INFO.unpack_from(body)
        found = attributes(body, 16)
        self.name = _string(found.get(IFLA_IFNAME, b""))
        self.mac = ":".join(f"{byte:02x}" for byte in found.get(IFLA_ADDRESS, b""))
        self.mtu = _number(found.get(IFLA_MTU))
        self.master = _number(found.get(IFLA_MASTER))
        self.parent = _number(found.get(IFLA_LINK))
        self.txqlen = _number(found.get(IFLA_TXQLEN))
        self.operstate = _number(found.get(IFLA_OPERSTATE))
        self.alias = _string(found.get(IFLA_IFALIAS, b""))
        info = attributes(found.get(IFLA_LINKINFO, b""))
        self.kind = _string(info.get(IFLA_INFO_KIND, b""))
        self.info = attributes(info.get(IFLA_INFO_DATA, b""))

    @property
    def up(self) -> bool:
        """Whether it is administratively up."""
        return bool(self.flags & IFF_UP)


class Address:
    """An address of a link."""

    __slots__ = ("cidr", "flags", "index", "scope")

    def __init__(self, body: bytes) -> None:
        _, prefix, _, self.scope, self.index = _ADDRESS.unpack_from(body)
        found = attributes(body, 8)
        packed = found.get(IFA_LOCAL) or found[IFA_ADDRESS]
        self.cidr = f"{addresses.unpack(packed)}/{prefix}"
        self.flags = _number(found.get(IFA_FLAGS))


class Route:
    """A route of the main table (or another, where asked for)."""

    __slots__ = ("dst", "family", "gateway", "index", "priority", "scope", "source", "table", "type")

    def __init__(self, body: bytes) -> None:
        self.family, length, _, _, table, _, self.scope, self.type, _ = _ROUTE.unpack_from(body)
        found = attributes(body, 12)
        zero = "0.0.0.0" if self.family == addresses.AF_INET else "::"
        packed = found.get(RTA_DST)
        self.dst = f"{addresses.unpack(packed) if packed else zero}/{length}"
        gateway, source = found.get(RTA_GATEWAY), found.get(RTA_PREFSRC)
        self.gateway = addresses.unpack(gateway) if gateway else ""
        self.source = addresses.unpack(source) if source else ""
        self.index = _number(found.get(RTA_OIF))
        self.priority = _number(found.get(RTA_PRIORITY))
        self.table = _number(found.get(RTA_TABLE)) or table


def _number(data: bytes | None) -> int:
    return int.from_bytes(data, "little") if data else 0


def _string(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")


def mac_bytes(mac: str) -> bytes:
    """Six bytes of `aa:bb:cc:dd:ee:ff`.

    Raises:
        ValueError: naming the text.
    """
    try:
        packed = bytes(int(part, 16) for part in mac.replace("-", ":").split(":"))
    except ValueError:
        packed = b""
    if len(packed) != 6:
        raise ValueError(f"address {mac}: invalid MAC address")
    return packed


def mac_attribute(mac: str) -> bytes:
    """The attribute that gives a link its MAC address."""
    return attribute(IFLA_ADDRESS, mac_bytes(mac))


def alias_attribute(alias: str) -> bytes:
    """The attribute that gives a link an alias (at most 255 bytes); an empty one takes it away."""
    return text(IFLA_IFALIAS, alias[:200])


def _header(index: int = 0, *, flags: int = 0, change: int = 0, family: int = 0) -> bytes:
    return _INFO.pack(family, 0, index, flags, change)


def info(kind: str, data: bytes = b"") -> bytes:
    """The link-info attribute of a new link."""
    return nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, kind), attribute(IFLA_INFO_DATA | 0x8000, data) if data else b"")


# -- messages for batches


def new_link(name: str, kind: str, data: bytes = b"", *, extra: bytes = b"", up: bool = False) -> Message:
    """Make a link; `extra` are further attributes (mtu, master, MAC, parent, namespace)."""
    body = _header(flags=IFF_UP if up else 0, change=IFF_UP if up else 0) + text(IFLA_IFNAME, name) + extra
    return Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body + info(kind, data), f"create {kind} {name}")


def new_veth(
    name: str,
    peer: str,
    *,
    peer_netns: int = -1,
    mtu: int = 0,
    peer_mac: str = "",
    master: int = 0,
    up: bool = False,
) -> Message:
    """Make a veth pair whose peer comes to life in the namespace with that descriptor."""
    size = u32(IFLA_MTU, mtu) if mtu else b""
    inner = _header() + text(IFLA_IFNAME, peer) + size
    if peer_mac:
        inner += attribute(IFLA_ADDRESS, mac_bytes(peer_mac))
    if peer_netns >= 0:
        inner += u32(IFLA_NET_NS_FD, peer_netns)
    extra = size + (u32(IFLA_MASTER, master) if master else b"")
    return new_link(name, "veth", attribute(1 | 0x8000, inner), extra=extra, up=up)


def change(index: int, what: str, extra: bytes = b"", *, flags: int = 0, mask: int = 0) -> Message:
    """Change a link."""
    return Message(RTM_NEWLINK, 0, _header(index, flags=flags, change=mask) + extra, what)


def name_alias(name: str, alias: str) -> Message:
    """Give the link with that name an alias: in a batch, right after it was made."""
    return Message(RTM_NEWLINK, 0, _header() + text(IFLA_IFNAME, name) + alias_attribute(alias), f"set alias of {name}")


def up(index: int, *, extra: bytes = b"") -> Message:
    """Set a link up (and change more of it)."""
    return change(index, "set link up", extra, flags=IFF_UP, mask=IFF_UP)


def down(index: int) -> Message:
    """Set a link down."""
    return change(index, "set link down", mask=IFF_UP)


def move(index: int, netns: int, name: str, *, alias: str) -> Message:
    """Move a link into the namespace with that descriptor, under another name and alias; it is down there.

    Make sure that the name is free there: else the kernel may move the link and then fail to rename it.
    """
    what = f"move link to another namespace as {name}"
    return change(index, what, u32(IFLA_NET_NS_FD, netns) + text(IFLA_IFNAME, name) + alias_attribute(alias))


def remove(index: int) -> Message:
    """Remove a link; passes where it has gone."""
    return Message(RTM_DELLINK, 0, _header(index), f"remove link {index}", (errno.ENODEV,))


def bridge_port(index: int, *, hairpin: bool = False, isolated: bool = False) -> Message:
    """Set the options of a bridge port."""
    options = u8(IFLA_BRPORT_MODE, int(hairpin))
    if isolated:
        options += u8(IFLA_BRPORT_ISOLATED, 1)
    body = _header(index, family=_AF_BRIDGE) + nested(IFLA_PROTINFO, options)
    return Message(RTM_SETLINK, 0, body, "set bridge port options")


def bridge_vlan(index: int, vid: int, *, pvid: bool = True, untagged: bool = True, owner: bool = False) -> Message:
    """Let a port carry a VLAN (`owner`: it is the bridge itself)."""
    return _vlan(RTM_SETLINK, index, vid, (2 if pvid else 0) | (4 if untagged else 0), owner=owner)


def remove_bridge_vlan(index: int, vid: int) -> Message:
    """Stop a port from carrying a VLAN."""
    return _vlan(RTM_DELLINK, index, vid, 0, owner=False)


def _vlan(kind: int, index: int, vid: int, flags: int, *, owner: bool) -> Message:
    parts = u16(0, 2) if owner else b""  # IFLA_BRIDGE_FLAGS: BRIDGE_FLAGS_SELF
    vlan = attribute(2, struct.pack("=HH", flags, vid))  # IFLA_BRIDGE_VLAN_INFO
    return Message(
        kind, 0, _header(index, family=_AF_BRIDGE) + nested(IFLA_AF_SPEC, parts, vlan), f"set VLAN {vid} of a port"
    )


def new_address(
    index: int, cidr: str, *, subnet_route: bool = True, missing_only: bool = False, detect: bool = False
) -> Message:
    """Give a link an address.

    Args:
        index: The link.
        cidr: The address, as `address/length`.
        subnet_route: Let the kernel add the route to the address's subnet.
        missing_only: Pass where it is there already.
        detect: Let IPv6 look for duplicates first (a second); without, the address is usable at once.
    """
    packed, prefix = addresses.parse_cidr(cidr)
    family = addresses.family(packed)
    body = _ADDRESS.pack(family, prefix, 0, SCOPE_UNIVERSE, index)
    body += attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    flags = 0 if subnet_route else IFA_F_NOPREFIXROUTE
    if family == addresses.AF_INET:
        if prefix < 31:
            body += attribute(IFA_BROADCAST, addresses.last(packed, prefix))
    elif not detect:
        flags |= IFA_F_NODAD
    if flags:
        body += u32(IFA_FLAGS, flags)
    ignore = (errno.EEXIST,) if missing_only else ()
    return Message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body, f"add address {cidr}", ignore)


def remove_address(index: int, cidr: str) -> Message:
    """Take an address from a link; passes where it has gone."""
    packed, prefix = addresses.parse_cidr(cidr)
    body = _ADDRESS.pack(addresses.family(packed), prefix, 0, 0, index)
    body += attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    return Message(RTM_DELADDR, 0, body, f"remove address {cidr}", (errno.EADDRNOTAVAIL, errno.ENODEV))


def new_route(
    dst: str,
    *,
    index: int = 0,
    gateway: str = "",
    options: Mapping[str, int] | None = None,
    missing_only: bool = False,
    replace: bool = False,
) -> Message:
    """Add a route; without a gateway its scope is the link unless one is given.

    Args:
        dst: The destination, as `address/length`.
        index: The link it goes through.
        gateway: The next hop.
        options: Any of `scope`, `table`, `priority`, `mtu`, `advmss`, as a CNI result names them.
        missing_only: Pass where it is there already.
        replace: Take the place of one that is there.
    """
    more = options or {}
    packed, prefix = addresses.parse_cidr(dst)
    family = addresses.family(packed)
    link_scope = SCOPE_UNIVERSE if gateway or family == addresses.AF_INET6 else SCOPE_LINK
    table = more.get("table") or MAIN_TABLE
    short = table if table < 256 else 0
    scope = more.get("scope", link_scope)
    body = _ROUTE.pack(family, prefix, 0, 0, short, _RTPROT_BOOT, scope, _RTN_UNICAST, 0)
    body += attribute(RTA_DST, addresses.network(packed, prefix))
    if not short:
        body += u32(RTA_TABLE, table)
    if index:
        body += u32(RTA_OIF, index)
    if gateway:
        body += attribute(RTA_GATEWAY, addresses.pack(gateway))
    if more.get("priority"):
        body += u32(RTA_PRIORITY, more["priority"])
    metrics = b"".join(u32(kind, more[key]) for key, kind in _METRICS.items() if more.get(key))
    if metrics:
        body += nested(RTA_METRICS, metrics)
    ignore = (errno.EEXIST,) if missing_only else ()
    flags = NLM_F_CREATE | (NLM_F_REPLACE if replace else NLM_F_EXCL)
    return Message(RTM_NEWROUTE, flags, body, f"add route {dst}{' via ' + gateway if gateway else ''}", ignore)


def remove_route(dst: str, *, index: int = 0, gateway: str = "") -> Message:
    """Remove a route; passes where it has gone."""
    packed, prefix = addresses.parse_cidr(dst)
    family = addresses.family(packed)
    body = _ROUTE.pack(family, prefix, 0, 0, MAIN_TABLE, 0, 255, 0, 0)  # 255: whatever its scope
    body += attribute(RTA_DST, addresses.network(packed, prefix))
    if index:
        body += u32(RTA_OIF, index)
    if gateway:
        body += attribute(RTA_GATEWAY, addresses.pack(gateway))
    return Message(RTM_DELROUTE, 0, body, f"remove route {dst}", (errno.ESRCH, errno.ENOENT))


# -- questions


def find(name: str, nl: Netlink | None = None) -> Link | None:
    """The link with that name, or None."""
    with _Socket(nl) as one:
        body = one.request(Message(RTM_GETLINK, 0, _header() + text(IFLA_IFNAME, name), f"look up link {name}"))
    return Link(body) if body is not None else None


def get(name: str, nl: Netlink | None = None) -> Link:
    """The link with that name.

    Raises:
        NetlinkError: if there is none.
    """
    link = find(name, nl)
    if link is None:
        raise NetlinkError(errno.ENODEV, f"link {name}: {os.strerror(errno.ENODEV)}")
    return link


def by_index(index: int, nl: Netlink | None = None) -> Link | None:
    """The link with that index, or None."""
    with _Socket(nl) as one:
        body = one.request(Message(RTM_GETLINK, 0, _header(index), f"look up link {index}"))
    return Link(body) if body is not None else None


def list_links(nl: Netlink | None = None) -> list[Link]:
    """All links."""
    with _Socket(nl) as one:
        return [Link(body) for _, body in one.dump(Message(RTM_GETLINK, 0, _header(), "list links"))]


def link_exists(name: str) -> bool:
    """Whether there is a link with that name."""
    return find(name) is not None


def addresses_of(index: int, nl: Netlink | None = None) -> list[Address]:
    """The addresses of a link (0: of all)."""
    with _Socket(nl) as one:
        dumped = one.dump(Message(RTM_GETADDR, 0, _ADDRESS.pack(0, 0, 0, 0, 0), "list addresses"))
    found = [Address(body) for _, body in dumped]
    return [one for one in found if not index or one.index == index]


def list_addresses(name: str) -> list[str]:
    """The addresses of a link, as `address/length`; empty where there is no such link."""
    with Netlink() as nl:
        link = find(name, nl)
        return [one.cidr for one in addresses_of(link.index, nl)] if link else []


def routes(nl: Netlink | None = None, *, table: int = MAIN_TABLE) -> list[Route]:
    """The routes of a table, both families."""
    with _Socket(nl) as one:
        dumped = one.dump(Message(RTM_GETROUTE, 0, _ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0), "list routes"))
    found = [Route(body) for _, body in dumped]
    return [route for route in found if route.table == table]


def route_request(destination: bytes) -> bytes:
    """The body of a question for the route to an address."""
    family = addresses.family(destination)
    return _ROUTE.pack(family, len(destination) * 8, 0, 0, 0, 0, 0, 0, 0) + attribute(RTA_DST, destination)


def default_route_link(nl: Netlink | None = None) -> str:
    """The name of the link that the default route goes through; empty where there is none."""
    with _Socket(nl) as one:
        for route in sorted(routes(one), key=lambda route: route.priority):
            if route.dst in ("0.0.0.0/0", "::/0") and route.type == _RTN_UNICAST and route.index:
                link = by_index(route.index, one)
                return link.name if link else ""
    return ""


def default_route_source(family: int = addresses.AF_INET) -> str | None:
    """The address this host speaks to the world with; None where it has no default route."""
    with Netlink() as nl:
        wanted = "0.0.0.0/0" if family == addresses.AF_INET else "::/0"
        for route in sorted(routes(nl), key=lambda route: route.priority):
            if route.dst != wanted or not route.index:
                continue
            if route.source:
                return route.source
            for one in addresses_of(route.index, nl):
                if one.scope == SCOPE_UNIVERSE and (":" in one.cidr) == (family == addresses.AF_INET6):
                    return one.cidr.partition("/")[0]
    return None


# -- deeds


def add_bridge(name: str, *, mtu: int = 0, nl: Netlink | None = None) -> None:
    """Make a bridge, up; passes where there is one."""
    with _Socket(nl) as one:
        message = new_link(name, "bridge", extra=u32(IFLA_MTU, mtu) if mtu else b"", up=True)
        message.ignore = (errno.EEXIST,)
        one.send(message)


def delete_link(name: str, *, missing_ok: bool = True) -> None:
    """Remove a link.

    Raises:
        NetlinkError: if it can't be removed, or is not there and that matters.
    """
    with Netlink() as nl:
        link = find(name, nl)
        if link is not None:
            nl.send(remove(link.index))
        elif not missing_ok:
            get(name, nl)


def set_up(name: str) -> None:
    """Set a link up."""
    with Netlink() as nl:
        nl.send(up(get(name, nl).index))


def set_down(name: str) -> None:
    """Set a link down."""
    with Netlink() as nl:
        nl.send(down(get(name, nl).index))


def add_address(name: str, cidr: str) -> None:
    """Give a link an address; passes where it has it."""
    with Netlink() as nl:
        nl.send(new_address(get(name, nl).index, cidr, missing_only=True))


def del_address(name: str, cidr: str) -> None:
    """Take an address from a link; passes where it has gone."""
    with Netlink() as nl:
        link = find(name, nl)
        if link is not None:
            nl.send(remove_address(link.index, cidr))


class _Socket:
    """The socket that was given, or one for the time of a block."""

    __slots__ = ("_given", "_own")

    def __init__(self, given: Netlink | None) -> None:
        self._given = given
        self._own: Netlink | None = None

    def __enter__(self) -> Netlink:
        if self._given is not None:
            return self._given
        self._own = Netlink()
        return self._own

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            self._own.close()
