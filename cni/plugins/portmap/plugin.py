"""portmap: forwards ports of the host to a container, whose addresses the plugins before it have given."""

from __future__ import annotations

import errno

from cni.attachment import mark, network_mark, valid_marks
from cni.errors import INTERNAL, NOT_AVAILABLE, CNIError
from cni.plugins import nft_elements
from cni.plugins.portmap import rules
from linux import addresses, conntrack, links, netns, nftables, sysctl
from linux.netlink import RTM_GETROUTE, Message, Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cni.config import Call
    from cni.result import Result

ABOUT = "forwards ports of the host to containers"
SHAPE = {"conditionsV4": [str], "conditionsV6": [str]}
FAMILIES = (addresses.AF_INET, addresses.AF_INET6)


def _mappings(call: Call) -> list[rules.Mapping]:
    raw = call.runtime_config.get("portMappings") or []
    return [one for one in (rules.Mapping(entry) for entry in raw) if one.host_port]


def _container_addresses(call: Call) -> dict[int, str]:
    """The first address (`address/length`) of each family that is on the container's own interface."""
    answer = call.require_previous()
    interfaces = answer.get("interfaces") or []
    found: dict[int, str] = {}
    for ip in answer.get("ips") or []:
        index = ip.get("interface")
        if index is not None and 0 <= index < len(interfaces) and not interfaces[index].get("sandbox"):
            continue
        packed, _ = addresses.parse_cidr(ip["address"])
        found.setdefault(addresses.family(packed), str(ip["address"]))
    return found


def add(call: Call) -> Result:
    """Forward the ports that the runtime names."""
    answer = call.require_previous()
    mappings, options = _mappings(call), rules.Options(call)
    if not mappings:
        return answer
    for family, cidr in _container_addresses(call).items():
        address = addresses.unpack(addresses.parse_cidr(cidr)[0])
        if not any(one.applies_to(family) for one in mappings):
            continue
        if options.snat and family == addresses.AF_INET:
            _route_localnet(address)
        if options.backend == rules.IPTABLES:
            from cni.plugins.portmap import iptables

            iptables.add(call, family, cidr, mappings, options)
        else:
            _add_elements(call, family, address, mappings, options)
    _forget_flows(mappings)
    return answer


def _add_elements(call: Call, family: int, address: str, mappings: list[rules.Mapping], options: rules.Options) -> None:
    comment = mark(call.name, call.container_id, call.ifname)
    with netns.lock():
        try:
            nftables.run("\n".join(rules.elements(family, address, mappings, options, comment, verb="create")))
            return
        except nftables.NftablesError as error:
            if error.errno not in (errno.ENOENT, errno.EEXIST):
                raise
        # The table is missing, or elements were left over by somebody who was killed: looking for those takes the
        # longer the more pods there are.
        there = nft_elements.present(rules.table(family))
        wanted = [one for one in mappings if one.applies_to(family)]
        stale = rules.replaced(there, wanted, comment, address)
        cleanup = nft_elements.removal(rules.table(family), there, stale, own_chains=True)
        head = [] if there and not cleanup else rules.skeleton(family)
        commands = rules.elements(family, address, mappings, options, comment)
        nftables.run("\n".join([*cleanup, *head, *commands]))


def _route_localnet(address: str) -> None:
    """Let packets from 127.0.0.1 leave through the interface that leads to the container."""
    body = links.route_request(addresses.pack(address))
    with Netlink() as nl:
        answer = nl.request(Message(RTM_GETROUTE, 0, body, f"look up route to {address}"))
        link = links.by_index(links.Route(answer).index, nl) if answer else None
    if link is not None:
        sysctl.write(f"net/ipv4/conf/{link.name}/route_localnet", 1)


def _forget_flows(mappings: list[rules.Mapping]) -> None:
    ports = {one.host_port for one in mappings if one.protocol == "udp"}
    if ports:
        for family in FAMILIES:
            conntrack.delete_flows("udp", family=family, destination_ports=ports)


def delete(call: Call) -> None:
    """Stop forwarding to the container."""
    wanted = mark(call.name, call.container_id, call.ifname)
    _remove(lambda comment: comment == wanted)
    if _by_iptables(call):
        from cni.plugins.portmap import iptables

        iptables.delete(call)
        _forget_flows(_mappings(call))


def gc(call: Call) -> None:
    """Stop forwarding to containers that are no more."""
    prefix, valid = network_mark(call.name) + "-", valid_marks(call.name, call.config)
    _remove(lambda comment: comment.startswith(prefix) and comment not in valid)
    if _by_iptables(call):
        from cni.plugins.portmap import iptables

        iptables.collect(call)


def _by_iptables(call: Call) -> bool:
    """Whether there may be something in iptables; a configuration that ADD refused has left nothing there."""
    try:
        return rules.backend_of(call.config) == rules.IPTABLES
    except CNIError:
        return False


def _remove(matches: Callable[[str], bool]) -> None:
    udp_ports: set[int] = set()
    for family in FAMILIES:
        gone = nft_elements.remove(rules.table(family), matches, own_chains=True)
        for one in gone:
            words = one.key.split(" . ")
            if one.name not in rules.SETS and words[-2] == "udp":
                udp_ports.add(int(words[-1]))
    if udp_ports:
        for family in FAMILIES:
            conntrack.delete_flows("udp", family=family, destination_ports=udp_ports)


def check(call: Call) -> None:
    """Raise unless the ports are forwarded."""
    mappings, options = _mappings(call), rules.Options(call)
    comment = mark(call.name, call.container_id, call.ifname)
    for family in _container_addresses(call):
        if options.backend == rules.IPTABLES:
            from cni.plugins.portmap import iptables

            iptables.check(call, family, mappings)
            continue
        wanted = sum(one.applies_to(family) for one in mappings)
        names = rules.PORT_MAPS + rules.VERDICT_MAPS
        have = (
            sum(one.comment == comment and one.name in names for one in nft_elements.present(rules.table(family)))
            if wanted
            else 0
        )
        if have < wanted:
            raise CNIError(INTERNAL, f"{wanted - have} of {wanted} host ports are not forwarded to the container")


def status(call: Call) -> None:
    """Raise unless ports can be forwarded the way that the configuration asks for."""
    options = rules.Options(call)
    try:
        if options.backend == rules.IPTABLES:
            from linux import iptables

            iptables.read(addresses.AF_INET)
        else:
            nftables.run("list tables")
    except OSError as error:
        raise CNIError(NOT_AVAILABLE, f"ports can't be forwarded: {error.strerror}") from error
