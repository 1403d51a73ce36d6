"""ptp: connects a container to the host with a veth pair, routed, without a bridge.

The container reaches its gateway (an address on the host's end) by a route of its own, and everything else, its
subnet included, through that gateway. The host has a route to each of the container's addresses.
"""

from __future__ import annotations

from cni import delegate
from cni.attachment import valid_marks
from cni.errors import INTERNAL, INVALID_CONFIG, CNIError
from cni.plugins import masquerade, veth
from linux import addresses, links, netns
from linux.netlink import Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni.config import Call
    from cni.result import Result
    from linux.netlink import Message

ABOUT = "connects containers to the host, point to point"


def add(call: Call) -> Result:
    """Connect the container."""
    if not delegate.ipam_type(call):
        raise CNIError(INVALID_CONFIG, "ptp: an IPAM plugin is required")
    masquerade.by_iptables(call)  # refuses what there is not, before anything is made
    answer: Result = {"routes": [], "dns": {}}
    answer.update({key: value for key, value in delegate.ipam_add(call).items() if value})
    try:
        for ip in answer["ips"]:
            ip["interface"] = 1
            if not ip.get("gateway"):
                raise CNIError(INVALID_CONFIG, f"ptp: the IPAM plugin gave no gateway for {ip['address']}")
        with netns.entered(call.netns):
            inside = Netlink()
        with Netlink() as host, inside:
            # An interface of that name is another attachment's, and stays.
            pair = veth.make_pair(call, host, inside, mtu=call.number("mtu"))
            try:
                _connect(call, answer, host, inside, pair)
            except BaseException:
                veth.undo(call, veth.remove_pair, _remove_rules)
                raise
    except BaseException:
        veth.undo(call, delegate.ipam_delete)
        raise
    if call.mapping("dns"):
        answer["dns"] = call.mapping("dns")
    return answer


def _connect(call: Call, answer: Result, host: Netlink, inside: Netlink, pair: tuple[links.Link, links.Link]) -> None:
    (outer, inner), ips = pair, answer["ips"]
    veth.enable_forwarding(ips)
    with netns.entered(call.netns):
        if veth.has_ipv6(ips):
            veth.allow_ipv6(call.ifname)
        veth.announce(call.ifname)
    veth.refuse_routes(outer.name)
    if veth.has_ipv6(ips):
        veth.allow_ipv6(outer.name)
    batch = [links.up(outer.index)]
    for ip in ips:
        width = addresses_width(ip)
        batch.append(links.new_address(outer.index, f"{ip['gateway']}/{width}", missing_only=True))
        batch.append(links.new_route(f"{_plain(ip)}/{width}", index=outer.index, replace=True))
    host.send(*batch)
    inside.send(links.up(inner.index), *_inner_routes(inner.index, ips))
    routes = [{**route, "gw": route.get("gw") or veth.gateway_for(ips, route["dst"])} for route in answer["routes"]]
    veth.configure(inside, inner.index, {"routes": routes}, call.ifname)
    if call.flag("ipMasq"):
        masquerade.add(call, [ip["address"] for ip in ips])
    answer["interfaces"] = [
        {"name": outer.name, "mac": outer.mac, "mtu": outer.mtu},
        {"name": call.ifname, "mac": inner.mac, "mtu": inner.mtu, "sandbox": call.netns},
    ]


def _inner_routes(index: int, ips: list[dict[str, Any]]) -> list[Message]:
    batch = []
    for ip in ips:
        batch.append(links.new_address(index, ip["address"], subnet_route=False))
        batch.append(links.new_route(f"{ip['gateway']}/{addresses_width(ip)}", index=index, missing_only=True))
    for ip in ips:
        subnet = addresses.network_text(ip["address"])
        if not subnet.endswith(f"/{addresses_width(ip)}"):
            batch.append(links.new_route(subnet, index=index, gateway=ip["gateway"], missing_only=True))
    return batch


def addresses_width(ip: dict[str, Any]) -> int:
    """The length of a prefix that holds one address only."""
    return 128 if ":" in ip["address"] else 32


def _plain(ip: dict[str, Any]) -> str:
    return str(ip["address"]).partition("/")[0]


def _remove_rules(call: Call) -> None:
    if call.flag("ipMasq"):
        masquerade.delete(call)


def delete(call: Call) -> None:
    """Disconnect the container; what has gone already does not matter."""
    veth.remove_pair(call)
    _remove_rules(call)
    delegate.ipam_delete(call)


def check(call: Call) -> None:
    """Raise unless all is as ADD left it."""
    previous = call.require_previous()
    delegate.ipam_check(call)
    inner = veth.check_interface(call.netns, call.ifname, previous)
    outer = links.by_index(inner.parent)
    if outer is None or outer.kind != "veth":
        raise CNIError(INTERNAL, f'the host end of "{call.ifname}" is not there')
    if call.flag("ipMasq"):
        masquerade.check(call)


def gc(call: Call) -> None:
    """Remove rules of attachments that are no more, and let the IPAM plugin free their addresses."""
    marks = valid_marks(call.name, call.config)
    veth.collect_pairs(call.name, marks)
    masquerade.collect(call)
    delegate.ipam_pass(call)


def status(call: Call) -> None:
    """Raise unless ADD could work."""
    delegate.ipam_pass(call)
