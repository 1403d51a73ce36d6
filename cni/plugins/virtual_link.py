"""What macvlan and ipvlan share: a link on top of a master, made directly in the container's namespace."""

from __future__ import annotations

import os

from cni import delegate
from cni.errors import INTERNAL, INVALID_CONFIG, NOT_AVAILABLE, CNIError
from cni.plugins import veth
from linux import links, netns
from linux.netlink import Netlink, NetlinkError, u32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni.config import Call
    from cni.result import Result


def master_name(call: Call) -> str:
    """The master that the configuration names, else the one that a plugin before made, else that of the default route.

    Raises:
        CNIError: if there is none.
    """
    name = call.text("master")
    if not name and call.previous is not None and call.config.get("type") == "ipvlan":
        names = [one["name"] for one in call.previous.get("interfaces") or []]
        if len(names) == 1:
            return str(names[0])
        raise CNIError(INVALID_CONFIG, "chained master failure: PrevResult lacks a single named interface")
    if name:
        return name
    with _place(call) as nl:
        name = links.default_route_link(nl)
    if not name:
        raise CNIError(INTERNAL, 'unable to get default route interface name: no default route; name the "master"')
    return name


def _master(name: str, place: Netlink) -> links.Link:
    found = links.find(name, place)
    if found is None:
        raise CNIError(INTERNAL, f'failed to lookup master "{name}": Link not found')
    return found


def _place(call: Call) -> Netlink:
    """A socket where the master is: on the host, or in the container (linkInContainer)."""
    if not call.flag("linkInContainer"):
        return Netlink()
    with netns.entered(call.netns):
        return Netlink()


def add(call: Call, kind: str, data: bytes, *, mac: str = "", given: Result | None = None) -> Result:
    """Make the link, get its addresses, configure it; undo all if one of that fails.

    Args:
        call: The call.
        kind: What the kernel calls such a link.
        data: The kernel's options of the link.
        mac: Its MAC address, where it is to have a certain one.
        given: The addresses that a plugin before has got, where there is no IPAM plugin.
    """
    master = master_name(call)
    with _place(call) as outside:
        parent = _master(master, outside)
        mtu = call.number("mtu") or parent.mtu
        if not 0 <= mtu <= parent.mtu:
            raise CNIError(INVALID_CONFIG, f"invalid MTU {mtu}, must be [0, master MTU({parent.mtu})]")
        make(call, kind, data, parent.index, mtu=mtu, mac=mac, outside=outside)
    answer: Result = {"ips": [], "routes": [], "dns": {}, **(given or {})}
    answer["ips"] = [dict(ip) for ip in answer["ips"]]
    try:
        _configure(call, answer)
    except BaseException:
        veth.undo(call, *([delegate.ipam_delete] if answer["ips"] else []), _remove)
        raise
    if call.mapping("dns"):
        answer["dns"] = call.mapping("dns")
    return answer


def make(call: Call, kind: str, data: bytes, parent: int, *, mtu: int, mac: str, outside: Netlink) -> None:
    """Make the link in the container's namespace."""
    descriptor = os.open(call.netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        extra = u32(links.IFLA_LINK, parent) + u32(links.IFLA_MTU, mtu) + u32(links.IFLA_NET_NS_FD, descriptor)
        if mac:
            extra += links.mac_attribute(mac)
        outside.send(links.new_link(call.ifname, kind, data, extra=extra))
    except NetlinkError as error:
        raise CNIError(INTERNAL, f"failed to create {kind}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _configure(call: Call, answer: Result) -> None:
    with netns.entered(call.netns):
        inside = Netlink()
    with inside:
        link = links.get(call.ifname, inside)
        answer["interfaces"] = [{"name": call.ifname, "mac": link.mac, "mtu": link.mtu, "sandbox": call.netns}]
        if delegate.ipam_type(call):
            inside.send(links.up(link.index))
            answer.update({key: value for key, value in delegate.ipam_add(call).items() if value})
        for ip in answer["ips"]:
            ip["interface"] = 0
        with netns.entered(call.netns):
            if veth.has_ipv6(answer["ips"]):
                veth.allow_ipv6(call.ifname)
            veth.announce(call.ifname)
        veth.configure(inside, link.index, answer, call.ifname)


def delete(call: Call) -> None:
    """Give the addresses back (a DHCP lease is released through the link), then remove the link."""
    try:
        delegate.ipam_delete(call)
    finally:
        _remove(call)


def _remove(call: Call) -> None:
    veth.remove(call.netns, call.ifname)


def check(call: Call, kind: str) -> links.Link:
    """Raise unless all is as ADD left it. Returns the link."""
    previous = call.require_previous()
    delegate.ipam_check(call)
    if call.text("master"):
        with _place(call) as outside:
            _master(call.text("master"), outside)
    return veth.check_interface(call.netns, call.ifname, previous, kind)


def status(call: Call) -> None:
    """Raise unless ADD could work."""
    name = call.text("master")
    if name and not call.flag("linkInContainer") and not links.link_exists(name):
        raise CNIError(NOT_AVAILABLE, f'failed to lookup master "{name}": Link not found')
    delegate.ipam_pass(call)
