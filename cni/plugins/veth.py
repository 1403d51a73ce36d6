"""What several plugins do with a container's interface: addresses and routes from a result, and the checks of them."""

from __future__ import annotations

import os

from cni.attachment import host_link_name, mark, network_mark, random_link_name
from cni.errors import INTERNAL, INVALID_CONFIG, CNIError
from cni.result import container_interface
from linux import addresses, links, netns, sysctl
from linux.netlink import Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cni.config import Call
    from cni.result import Result
    from linux.netlink import Message

_DETECTION_SECONDS = 10.0


def make_pair(
    call: Call, host: Netlink, inside: Netlink, *, mtu: int = 0, mac: str = "", master: int = 0
) -> tuple[links.Link, links.Link]:
    """Make a veth pair whose inner end is in the container. Returns the outer and the inner end.

    The outer end's alias says whose it is, so that GC finds it. With a master it becomes a port of that, up.

    Raises:
        CNIError: if the container has an interface of that name.
        NetlinkError: what the kernel refused.
    """
    if links.find(call.ifname, inside) is not None:
        raise CNIError(INTERNAL, f'container veth name provided ("{call.ifname}") already exists')
    name = host_link_name(call.name, call.container_id, call.ifname)
    if links.find(name, host) is not None:
        name = random_link_name()  # left over by somebody who was killed, or a collision of hashes
    descriptor = os.open(call.netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        host.send(
            links.new_veth(
                name, call.ifname, peer_netns=descriptor, mtu=mtu, peer_mac=mac, master=master, up=bool(master)
            ),
            links.name_alias(name, mark(call.name, call.container_id, call.ifname)),
        )
    finally:
        os.close(descriptor)
    return links.get(name, host), links.get(call.ifname, inside)


def undo(call: Call, *steps: Callable[[Call], None]) -> None:
    """Take back what an ADD that failed has done: whatever fails here too is for DEL, and not what is to be told."""
    for step in steps:
        try:
            step(call)
        except (OSError, CNIError):
            continue


def remove_pair(call: Call) -> None:
    """Remove an attachment's pair; passes where it has gone."""
    remove(call.netns, call.ifname)
    # Where the namespace has gone by its path only (a process may still hold it), the outer end is found by its name.
    with Netlink() as host:
        outer = links.find(host_link_name(call.name, call.container_id, call.ifname), host)
        if outer is not None:
            host.send(links.remove(outer.index))


def collect_pairs(network: str, valid: set[str]) -> None:
    """Remove the pairs of those attachments of a network whose marks are not valid."""
    prefix = network_mark(network) + "-"
    with Netlink() as host:
        gone = [
            one
            for one in links.list_links(host)
            if one.kind == "veth" and one.alias.startswith(prefix) and one.alias not in valid
        ]
        host.send(*(links.remove(one.index) for one in gone))


def configure(nl: Netlink, index: int, answer: Result, ifname: str, *, detect: bool = False) -> None:
    """Give a container's interface the addresses and routes of a result.

    A route without a gateway goes through the gateway of an address of its family.

    Raises:
        NetlinkError: what the kernel refused.
    """
    ips = answer.get("ips") or []
    batch: list[Message] = [links.up(index)]
    batch += [links.new_address(index, ip["address"], detect=detect) for ip in ips]
    for route in answer.get("routes") or []:
        gateway = route.get("gw") or gateway_for(ips, route["dst"])
        options = {
            key: int(route[key])
            for key in ("mtu", "advmss", "priority", "table", "scope")
            if route.get(key) is not None
        }
        batch.append(links.new_route(route["dst"], index=index, gateway=gateway, options=options, missing_only=True))
    failures = nl.try_send(batch)
    if failures:
        failure = failures[0]
        raise CNIError(INTERNAL, f'failed to configure interface "{ifname}": {failure.strerror}')


def gateway_for(ips: list[dict[str, Any]], dst: str) -> str:
    """The gateway of the first address of a destination's family; empty where there is none."""
    v6 = ":" in dst
    return next((str(ip["gateway"]) for ip in ips if ip.get("gateway") and (":" in ip["address"]) == v6), "")


def announce(ifname: str) -> None:
    """Let the kernel announce the interface's addresses when it comes up (call it inside the namespace)."""
    try_sysctl(f"net/ipv4/conf/{ifname}/arp_notify", 1)
    try_sysctl(f"net/ipv6/conf/{ifname}/ndisc_notify", 1)


def allow_ipv6(ifname: str, *, detect: bool = False) -> None:
    """Let an interface have IPv6 addresses, as a rule without looking for duplicates (call it inside the namespace)."""
    try_sysctl(f"net/ipv6/conf/{ifname}/disable_ipv6", 0)
    try_sysctl(f"net/ipv6/conf/{ifname}/accept_dad", int(detect))


def wait_for_detection(nl: Netlink, index: int, ifname: str) -> None:
    """Wait until the interface's IPv6 addresses are known to be nobody else's.

    Raises:
        CNIError: if one is somebody else's, or it takes too long.
    """
    import time

    deadline = time.monotonic() + _DETECTION_SECONDS
    while True:
        flags = [one.flags for one in links.addresses_of(index, nl)]
        if any(flag & links.IFA_F_DADFAILED for flag in flags):
            raise CNIError(INTERNAL, f'an IPv6 address of "{ifname}" is in use already')
        if not any(flag & links.IFA_F_TENTATIVE for flag in flags):
            return
        if time.monotonic() > deadline:
            raise CNIError(INTERNAL, f'the IPv6 addresses of "{ifname}" stay tentative')
        time.sleep(0.02)


def enable_forwarding(ips: list[dict[str, Any]]) -> None:
    """Let the host forward packets of the families in use."""
    if any(":" not in ip["address"] for ip in ips):
        sysctl.write("net/ipv4/ip_forward", 1)
    if any(":" in ip["address"] for ip in ips):
        sysctl.write("net/ipv6/conf/all/forwarding", 1)


def refuse_routes(ifname: str) -> None:
    """Let nobody behind a link of the host announce IPv6 routes to it."""
    try_sysctl(f"net/ipv6/conf/{ifname}/accept_ra", 0)


def try_sysctl(name: str, value: int) -> None:
    """Set a parameter where the kernel has it."""
    try:
        sysctl.write(name, value)
    except OSError:
        return  # a kernel without that family or parameter


def has_ipv6(ips: list[dict[str, Any]]) -> bool:
    """Whether an address is of IPv6."""
    return any(":" in ip["address"] for ip in ips)


def remove(path: str, ifname: str) -> None:
    """Remove a container's interface; passes where that or the namespace has gone."""
    if not path:
        return
    try:
        with netns.entered(path):
            nl = Netlink()
    except OSError:
        return  # gone, or no namespace any more: nothing of ours can be in it
    with nl:
        link = links.find(ifname, nl)
        if link is not None:
            nl.send(links.remove(link.index))


def check_interface(path: str, ifname: str, expected: Result, kind: str = "veth") -> links.Link:
    """Raise unless a container's interface, its addresses and routes are as the result says.

    Returns:
        The interface.
    """
    listed = container_interface(expected, ifname, path)
    if listed is None:
        raise CNIError(INTERNAL, f"Sandbox of {ifname} in prevResult doesn't match configured netns: {path}")
    wanted_routes = expected.get("routes") or []
    with netns.entered(path):
        nl = Netlink()
    with nl:
        link = links.find(ifname, nl)
        if link is None:
            raise CNIError(INTERNAL, f"Container Interface name in prevResult: {ifname} not found")
        if kind and link.kind != kind:
            raise CNIError(INTERNAL, f"Error: Container interface {ifname} not of type {kind}")
        check_listed_mac(listed, link)
        have = {one.cidr for one in links.addresses_of(link.index, nl)}
        tables = {route.get("table") or links.MAIN_TABLE for route in wanted_routes}
        routes = {table: links.routes(nl, table=table) for table in tables}
    ips = expected.get("ips") or []
    for ip in ips:
        if _normal(ip["address"]) not in have:
            raise CNIError(INTERNAL, f"Failed to match addr {ip['address']} on interface {ifname}")
    for route in wanted_routes:
        dst = addresses.network_text(route["dst"])
        gateway = _plain(route.get("gw") or gateway_for(ips, dst))
        found = routes[route.get("table") or links.MAIN_TABLE]
        if not any(one.dst == dst and gateway in ("", one.gateway) for one in found):
            raise CNIError(INTERNAL, f"Expected Route {route} not found in routing table")
    return link


def check_listed_mac(listed: dict[str, Any] | None, link: links.Link) -> None:
    """Raise unless a link has the MAC address that a result says."""
    mac = str((listed or {}).get("mac") or link.mac)
    if mac.lower() != link.mac:
        raise CNIError(INTERNAL, f"Interface {link.name} Mac {mac} doesn't match: {link.mac}")


def _normal(cidr: str) -> str:
    packed, prefix = addresses.parse_cidr(cidr)
    return f"{addresses.unpack(packed)}/{prefix}"


def _plain(address: str) -> str:
    return addresses.unpack(addresses.pack(address)) if address else ""


def check_mac(mac: str) -> str:
    """The MAC address, or a CNI error."""
    if mac:
        try:
            links.mac_bytes(mac)
        except ValueError as error:
            raise CNIError(INVALID_CONFIG, str(error)) from error
    return mac
