"""Pure: host ports as nftables commands.

A table of ours per family. A host port is an element of a map, so the number of rules does not grow; its comment says
whose it is. Ports with conditions of their own (`conditionsV4`, `conditionsV6`) have a chain each, behind a verdict
map. What comes from the pod itself or from the host's loopback addresses is masqueraded, so that answers find back.
"""

from __future__ import annotations

from cni.errors import INVALID_CONFIG, CNIError
from linux import addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni.config import Call
    from cni.plugins.nft_elements import Element

TABLE = "minikube_py_hostport"
PROTOCOLS = ("tcp", "udp", "sctp")
_MAX_PORT = 65535
PORT_MAPS = ("ports", "ip_ports")
VERDICT_MAPS = ("conditional", "ip_conditional")
SETS = ("hairpins", "locals", "all_sources")
NFTABLES, IPTABLES = "nftables", "iptables"
_DEFAULT_MARK_BIT, _MAX_MARK_BIT = 13, 31


class Mapping:
    """One host port."""

    __slots__ = ("container_port", "host_ip", "host_port", "protocol")

    def __init__(self, raw: Any) -> None:
        if not isinstance(raw, dict):
            raise CNIError(INVALID_CONFIG, "failed to parse config: portMappings holds what is no object")
        self.host_port = _port(raw, "hostPort", lowest=0)
        self.container_port = _port(raw, "containerPort", lowest=1)
        self.protocol = str(raw.get("protocol") or "tcp").lower()
        self.host_ip = str(raw.get("hostIP") or "")
        if self.protocol not in PROTOCOLS:
            raise CNIError(INVALID_CONFIG, f"unknown protocol {raw.get('protocol')} of host port {self.host_port}")
        if self.host_ip:
            packed = addresses.pack(self.host_ip)
            self.host_ip = "" if not any(packed) else addresses.unpack(packed)
            # "::" means all addresses of IPv6 only, as a socket bound to it would; 0.0.0.0 all of IPv4.
            if not any(packed):
                self.host_ip = "*4" if len(packed) == 4 else "*6"

    def applies_to(self, family: int) -> bool:
        """Whether it is for containers' addresses of a family."""
        if not self.host_ip:
            return True
        v6 = self.host_ip == "*6" or ":" in self.host_ip
        return v6 == (family == addresses.AF_INET6)

    @property
    def any_ip(self) -> bool:
        """Whether it is on all addresses of the host."""
        return not self.host_ip or self.host_ip[0] == "*"


def _port(raw: dict[str, Any], key: str, *, lowest: int) -> int:
    value = raw.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= _MAX_PORT:
        raise CNIError(INVALID_CONFIG, f"invalid {'host' if key == 'hostPort' else 'container'} port number: {value}")
    return value


class Options:
    """What the plugin's configuration says about all its ports."""

    __slots__ = ("backend", "conditions", "mark_bit", "mark_chain", "masquerade_all", "snat")

    def __init__(self, call: Call) -> None:
        self.snat = call.flag("snat", default=True)
        self.masquerade_all = call.flag("masqAll")
        self.mark_chain = call.text("externalSetMarkChain")
        self.mark_bit = call.number("markMasqBit", _DEFAULT_MARK_BIT)
        self.conditions = {
            addresses.AF_INET: [str(word) for word in call.config.get("conditionsV4") or []],
            addresses.AF_INET6: [str(word) for word in call.config.get("conditionsV6") or []],
        }
        if self.mark_chain and call.config.get("markMasqBit") is not None:
            raise CNIError(INVALID_CONFIG, "Cannot specify externalSetMarkChain and markMasqBit")
        if not 0 <= self.mark_bit <= _MAX_MARK_BIT:
            raise CNIError(INVALID_CONFIG, f"MasqMarkBit must be between 0 and {_MAX_MARK_BIT}")
        self.backend = backend_of(call.config)


def backend_of(config: dict[str, Any]) -> str:
    """What forwards the ports: what the configuration names, else iptables where it is written for that, else nftables.

    Raises:
        CNIError: the configuration is written for another one than it names, or for both.
    """
    needs: dict[str, list[str]] = {}
    if config.get("externalSetMarkChain"):
        needs.setdefault(IPTABLES, []).append("externalSetMarkChain")
    for key in ("conditionsV4", "conditionsV6"):
        words = config.get(key)
        if words:
            # Only iptables' conditions begin with a hyphen.
            needs.setdefault(IPTABLES if str(words[0]).startswith("-") else NFTABLES, []).append(key)
    backend = config.get("backend") or (IPTABLES if IPTABLES in needs else NFTABLES)
    if backend not in (IPTABLES, NFTABLES):
        raise CNIError(INVALID_CONFIG, f'unrecognized backend "{backend}"')
    other = NFTABLES if backend == IPTABLES else IPTABLES
    if other in needs:
        raise CNIError(
            INVALID_CONFIG,
            f"{backend} backend was requested but configuration contains {other}-specific options {needs[other]}",
        )
    return str(backend)


def family_word(family: int) -> str:
    """Nft's word for a family."""
    return "ip" if family == addresses.AF_INET else "ip6"


def table(family: int) -> str:
    """The family's table, in nft's words."""
    return f"{family_word(family)} {TABLE}"


def skeleton(family: int) -> list[str]:
    """The commands that make the table as it must be, whatever is there; its elements stay."""
    word = family_word(family)
    kind = "ipv4_addr" if word == "ip" else "ipv6_addr"
    where = table(family)
    lines = [
        f"add table {where}",
        f"add map {where} ports {{ type inet_proto . inet_service : {kind} . inet_service; }}",
        f"add map {where} ip_ports {{ type {kind} . inet_proto . inet_service : {kind} . inet_service; }}",
        f"add map {where} conditional {{ type inet_proto . inet_service : verdict; }}",
        f"add map {where} ip_conditional {{ type {kind} . inet_proto . inet_service : verdict; }}",
        f"add set {where} hairpins {{ type {kind} . {kind}; }}",
        f"add set {where} locals {{ type {kind}; }}",
        f"add set {where} all_sources {{ type {kind}; }}",
        f"add chain {where} hostports",
        f"add chain {where} prerouting {{ type nat hook prerouting priority dstnat; policy accept; }}",
        f"add chain {where} output {{ type nat hook output priority -100; policy accept; }}",
        f"add chain {where} postrouting {{ type nat hook postrouting priority srcnat; policy accept; }}",
    ]
    lines += [f"flush chain {where} {chain}" for chain in ("hostports", "prerouting", "output", "postrouting")]
    lines += [f"add rule {where} {chain} fib daddr type local jump hostports" for chain in ("prerouting", "output")]
    lines += [
        f"add rule {where} hostports {word} daddr . meta l4proto . th dport vmap @ip_conditional",
        f"add rule {where} hostports meta l4proto . th dport vmap @conditional",
        f"add rule {where} hostports dnat {word} to {word} daddr . meta l4proto . th dport map @ip_ports",
        f"add rule {where} hostports dnat {word} to meta l4proto . th dport map @ports",
        f"add rule {where} postrouting {word} saddr . {word} daddr @hairpins masquerade",
        f"add rule {where} postrouting ct status dnat {word} daddr @all_sources masquerade",
    ]
    if word == "ip":
        lines.append(f"add rule {where} postrouting ip saddr 127.0.0.0/8 ip daddr @locals masquerade")
    return lines


def chain_name(comment: str) -> str:
    """The chain of an attachment's ports with conditions."""
    return f"if_{comment.replace('-', '_')}"


def elements(
    family: int, address: str, mappings: list[Mapping], options: Options, comment: str, *, verb: str = "add"
) -> list[str]:
    """The commands that add an attachment's ports to a table that is there; with `create` none may be there yet."""
    where = table(family)
    mine = [one for one in mappings if one.host_port and one.applies_to(family)]
    if not mine:
        return []
    lines: list[str] = []
    conditions = options.conditions.get(family) or []
    for number, one in enumerate(mine):
        key = f"{one.protocol} . {one.host_port}"
        if not one.any_ip:
            key = f"{one.host_ip} . {key}"
        mark = f'comment "{comment}"'
        if conditions:
            chain = f"{chain_name(comment)}_{number}"
            words = " ".join(conditions)
            lines.append(f"add chain {where} {chain}")
            lines.append(f"flush chain {where} {chain}")
            word = family_word(family)
            target = f"{address}:{one.container_port}" if word == "ip" else f"[{address}]:{one.container_port}"
            lines.append(f"add rule {where} {chain} {words} meta l4proto {one.protocol} dnat {word} to {target}")
            name = "conditional" if one.any_ip else "ip_conditional"
            lines.append(f"{verb} element {where} {name} {{ {key} {mark} : jump {chain} }}")
        else:
            name = "ports" if one.any_ip else "ip_ports"
            lines.append(f"{verb} element {where} {name} {{ {key} {mark} : {address} . {one.container_port} }}")
    if options.snat:
        lines.append(f'{verb} element {where} hairpins {{ {address} . {address} comment "{comment}" }}')
        lines.append(f'{verb} element {where} locals {{ {address} comment "{comment}" }}')
    if options.masquerade_all:
        lines.append(f'{verb} element {where} all_sources {{ {address} comment "{comment}" }}')
    return lines


def replaced(present: list[Element], wanted: list[Mapping], comment: str, address: str) -> list[Element]:
    """What somebody who is no more has left in the way of an attachment's elements."""
    keys = set()
    for one in wanted:
        key = f"{one.protocol} . {one.host_port}"
        keys.add(key if one.any_ip else f"{one.host_ip} . {key}")
    sources = {address, f"{address} . {address}"}
    return [one for one in present if one.key in (sources if one.name in SETS else keys) or one.comment == comment]
