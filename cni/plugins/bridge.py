"""bridge: connects a container to a Linux bridge with a veth pair.

One batch of netlink messages makes the pair (its inner end directly in the container's namespace, its host end a port
that is up), the IPAM plugin gives addresses, one batch configures them there; whatever fails, what was made before is
undone. What only some configurations need is imported where it is needed: executables live for fifteen milliseconds.
"""

from __future__ import annotations

import errno

from cni import delegate
from cni.config import check_args
from cni.errors import INTERNAL, INVALID_CONFIG, NOT_AVAILABLE, CNIError
from cni.plugins import veth
from cni.plugins.bridge_vlan import Vlans
from linux import addresses, links, netns
from linux.netlink import Netlink, attribute, u32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni.config import Call
    from cni.result import Result

ABOUT = "connects containers to a bridge"


class Settings:
    """The configuration, read and checked."""

    __slots__ = (
        "bridge",
        "detect",
        "disable_interface",
        "force_address",
        "hairpin",
        "ip_masq",
        "is_default_gateway",
        "is_gateway",
        "isolated",
        "mac",
        "mac_check",
        "mtu",
        "promisc",
        "vlans",
    )

    def __init__(self, call: Call) -> None:
        self.bridge = call.text("bridge") or "cni0"
        self.is_default_gateway = call.flag("isDefaultGateway")
        self.is_gateway = call.flag("isGateway") or self.is_default_gateway
        self.force_address = call.flag("forceAddress")
        self.ip_masq = call.flag("ipMasq")
        self.mtu = call.number("mtu")
        self.hairpin = call.flag("hairpinMode")
        self.promisc = call.flag("promiscMode")
        self.vlans = Vlans(call)
        self.mac_check = call.flag("macspoofchk")
        self.disable_interface = call.flag("disableContainerInterface")
        self.detect = call.flag("enabledad")
        self.isolated = call.flag("portIsolation")
        if call.config.get("ipMasqBackend"):
            from cni.plugins import masquerade

            masquerade.by_iptables(call)  # refuses what there is not
        check_args(call.args)
        self.mac = veth.check_mac(call.mac())
        if self.hairpin and self.promisc:
            raise CNIError(INVALID_CONFIG, "cannot set hairpin mode and promiscuous mode at the same time")
        if self.disable_interface and delegate.ipam_type(call):
            raise CNIError(INVALID_CONFIG, "cannot use IPAM when DisableContainerInterface flag is set")


def add(call: Call) -> Result:
    """Connect the container."""
    settings = Settings(call)
    answer: Result = {"ips": [], "routes": [], "dns": {}}
    with Netlink() as host:
        bridge = ensure_bridge(settings, host)
        with netns.entered(call.netns):
            inside = Netlink()
        with inside:
            # Until this there is nothing to undo: an interface of that name is another attachment's, and stays.
            pair = veth.make_pair(call, host, inside, mtu=settings.mtu, mac=settings.mac, master=bridge.index)
            try:
                _connect(call, settings, answer, host, inside, bridge, pair)
            except BaseException:
                veth.undo(call, veth.remove_pair, _remove_rules, *([delegate.ipam_delete] if answer["ips"] else []))
                raise
    if call.mapping("dns"):
        answer["dns"] = call.mapping("dns")
    return answer


def _connect(
    call: Call,
    settings: Settings,
    answer: Result,
    host: Netlink,
    inside: Netlink,
    bridge: links.Link,
    pair: tuple[links.Link, links.Link],
) -> None:
    port, peer = pair
    _set_port(settings, bridge, port, host)
    if delegate.ipam_type(call):
        answer.update({key: value for key, value in delegate.ipam_add(call).items() if value})
    ips = answer["ips"]
    for ip in ips:
        ip["interface"] = 2
    gateways = _fill_gateways(settings, answer)
    carrier = settings.vlans.gateway_link(bridge, settings.mtu, host) if gateways else bridge
    for cidr in gateways:
        _ensure_gateway(carrier, cidr, settings, host)
    if settings.is_gateway:
        veth.enable_forwarding(ips)
    with netns.entered(call.netns):
        if veth.has_ipv6(ips):
            veth.allow_ipv6(call.ifname, detect=settings.detect)
        veth.announce(call.ifname)
    if not settings.disable_interface:
        veth.configure(inside, peer.index, answer, call.ifname, detect=settings.detect)
        if settings.detect:
            veth.wait_for_detection(inside, peer.index, call.ifname)
    if settings.mac_check:
        from cni.plugins import mac_spoof_check

        mac_spoof_check.add(call, port.name, peer.mac)
    if settings.ip_masq and ips:
        from cni.plugins import masquerade

        masquerade.add(call, [ip["address"] for ip in ips])
    outer = _wait_for_carrier(port.name, settings, host)
    bridge_now = links.by_index(bridge.index, host) or bridge
    answer["interfaces"] = [
        {"name": bridge_now.name, "mac": bridge_now.mac, "mtu": bridge_now.mtu},
        {"name": outer.name, "mac": outer.mac, "mtu": outer.mtu},
        {"name": call.ifname, "mac": peer.mac, "mtu": peer.mtu, "sandbox": call.netns},
    ]
    if carrier.index != bridge.index:
        answer["interfaces"].append({"name": carrier.name, "mac": carrier.mac, "mtu": carrier.mtu})


def ensure_bridge(settings: Settings, host: Netlink) -> links.Link:
    """Find or make the bridge, up and with the options that were asked for."""
    bridge = links.find(settings.bridge, host)
    if bridge is None:
        extra = u32(links.IFLA_MTU, settings.mtu) if settings.mtu else b""
        message = links.new_link(settings.bridge, "bridge", settings.vlans.bridge_options, extra=extra, up=True)
        message.ignore = (errno.EEXIST,)  # somebody else was faster
        host.send(message)
        bridge = links.get(settings.bridge, host)
    if bridge.kind != "bridge":
        raise CNIError(INTERNAL, f'"{settings.bridge}" already exists but is not a bridge')
    veth.refuse_routes(settings.bridge)
    batch = settings.vlans.switch_on(bridge)
    if not bridge.up:
        batch.append(links.up(bridge.index))
    if settings.promisc and not bridge.flags & links.IFF_PROMISC:
        flag = links.IFF_PROMISC
        batch.append(links.change(bridge.index, "set bridge to promiscuous mode", flags=flag, mask=flag))
    host.send(*batch)
    return bridge


def _set_port(settings: Settings, bridge: links.Link, port: links.Link, host: Netlink) -> None:
    batch = settings.vlans.of_port(bridge, port.index)
    if settings.hairpin or settings.isolated:
        batch.append(links.bridge_port(port.index, hairpin=settings.hairpin, isolated=settings.isolated))
    host.send(*batch)


def _fill_gateways(settings: Settings, answer: Result) -> list[str]:
    """Put the missing gateways and default routes into a result. Returns the gateways as `address/length`."""
    found = []
    for ip in answer["ips"]:
        packed, prefix = addresses.parse_cidr(ip["address"])
        if not ip.get("gateway") and settings.is_gateway:
            first = addresses.to_int(addresses.network(packed, prefix)) + 1
            ip["gateway"] = addresses.unpack(addresses.from_int(first, len(packed)))
        if settings.is_default_gateway:
            default = "::/0" if len(packed) == 16 else "0.0.0.0/0"
            if not any(route["dst"] == default and route.get("gw") for route in answer["routes"]):
                answer["routes"].append({"dst": default, "gw": ip["gateway"]})
        if settings.is_gateway:
            gateway = f"{ip['gateway']}/{prefix}"
            if gateway not in found:
                found.append(gateway)
    return found


def _ensure_gateway(carrier: links.Link, cidr: str, settings: Settings, host: Netlink) -> None:
    index = carrier.index
    packed, prefix = addresses.parse_cidr(cidr)
    wanted = f"{addresses.unpack(packed)}/{prefix}"
    batch = []
    for one in links.addresses_of(index, host):
        if one.cidr == wanted:
            return
        have, have_prefix = addresses.parse_cidr(one.cidr)
        if len(have) != len(packed) or one.scope == links.SCOPE_LINK:
            continue
        # Several IPv6 networks may share a bridge; overlapping ones, and a second IPv4 network, may not.
        overlap = addresses.contains(have, min(have_prefix, prefix), packed)
        if len(packed) == 4 or overlap:
            if not settings.force_address:
                raise CNIError(
                    INTERNAL,
                    f'failed to set bridge addr: "{carrier.name}" already has an IP address different from {wanted}',
                )
            batch.append(links.remove_address(index, one.cidr))
    if len(packed) == 16:
        veth.allow_ipv6(carrier.name)
    # The bridge keeps its MAC address when ports come and go only if it was set on purpose.
    host.send(
        *batch,
        links.new_address(index, wanted, missing_only=True),
        links.change(index, "set MAC address of bridge", _own_mac(index, host)),
    )


def _own_mac(index: int, host: Netlink) -> bytes:
    link = links.by_index(index, host)
    return attribute(links.IFLA_ADDRESS, links.mac_bytes(link.mac)) if link is not None else b""


def _wait_for_carrier(name: str, settings: Settings, host: Netlink) -> links.Link:
    """Wait (a millisecond, as a rule) until the bridge forwards from the new port."""
    import time

    pause = 0.0002
    link = links.get(name, host)
    while not settings.disable_interface and link.operstate != links.OPERSTATE_UP:
        if pause > 1:
            raise CNIError(INTERNAL, f'bridge port in error state: "{name}" is not up')
        time.sleep(pause)
        pause *= 1.6
        link = links.get(name, host)
    return link


def delete(call: Call) -> None:
    """Disconnect the container; what has gone already does not matter."""
    if delegate.ipam_needs_link(call):
        delegate.ipam_delete(call)
    veth.remove_pair(call)
    # The rules go before the address is free: who gets it next must not lose its own.
    _remove_rules(call)
    if not delegate.ipam_needs_link(call):
        delegate.ipam_delete(call)


def _remove_rules(call: Call) -> None:
    if call.flag("ipMasq"):
        from cni.plugins import masquerade

        masquerade.delete(call)
    if call.flag("macspoofchk"):
        from cni.plugins import mac_spoof_check

        mac_spoof_check.delete(call)


def check(call: Call) -> None:
    """Raise unless all is as ADD left it."""
    settings = Settings(call)
    previous = call.require_previous()
    delegate.ipam_check(call)
    with Netlink() as host:
        bridge = links.find(settings.bridge, host)
        if bridge is None or bridge.kind != "bridge":
            raise CNIError(INTERNAL, f'bridge "{settings.bridge}" is not there')
        listed = {one["name"]: one for one in previous.get("interfaces") or [] if not one.get("sandbox")}
        if settings.is_gateway and not settings.vlans.own:  # else the bridge's address follows its ports
            veth.check_listed_mac(listed.get(bridge.name), bridge)
        if bool(bridge.flags & links.IFF_PROMISC) != settings.promisc:
            words = f"configured Promisc Mode {settings.promisc} doesn't match current state"
            raise CNIError(INTERNAL, f"Bridge interface {bridge.name} {words}")
        inner = veth.check_interface(call.netns, call.ifname, previous)
        outer = links.by_index(inner.parent, host)
        if outer is None or outer.kind != "veth" or outer.name not in listed or outer.master != bridge.index:
            raise CNIError(INTERNAL, f'host veth of "{call.ifname}" is not there as a port of "{bridge.name}"')
        veth.check_listed_mac(listed[outer.name], outer)
    if settings.ip_masq and previous.get("ips"):
        from cni.plugins import masquerade

        masquerade.check(call)
    if settings.mac_check:
        from cni.plugins import mac_spoof_check

        mac_spoof_check.check(call)


def gc(call: Call) -> None:
    """Remove rules of attachments that are no more, and let the IPAM plugin free their addresses."""
    from cni.attachment import valid_marks
    from cni.plugins import mac_spoof_check, masquerade

    marks = valid_marks(call.name, call.config)
    veth.collect_pairs(call.name, marks)
    masquerade.collect(call)
    mac_spoof_check.collect(call.name, marks)
    delegate.ipam_pass(call)


def status(call: Call) -> None:
    """Raise unless ADD could work."""
    Settings(call)
    with Netlink() as host:
        found = links.find(call.text("bridge") or "cni0", host)
    if found is not None and found.kind != "bridge":
        raise CNIError(NOT_AVAILABLE, f'"{found.name}" already exists but is not a bridge')
    delegate.ipam_pass(call)
