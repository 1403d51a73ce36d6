"""Masquerade in iptables (`ipMasqBackend: iptables` of bridge and ptp): the reference plugin's chains and rules.

A chain for each attachment lets the network's own subnet pass and masquerades the rest; POSTROUTING leads each of the
attachment's addresses there.
"""

from __future__ import annotations

from cni.attachment import valid_attachments
from linux import addresses, iptables, netns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni.config import Call

_FAMILIES = (addresses.AF_INET, addresses.AF_INET6)
_MULTICAST = {addresses.AF_INET: "224.0.0.0/4", addresses.AF_INET6: "ff00::/8"}
_CHAIN_MAX = 28


def _chain(network: str, container_id: str) -> str:
    from hashlib import sha512

    return f"CNI-{sha512((network + container_id).encode()).hexdigest()}"[:_CHAIN_MAX]


def _comment(network: str, container_id: str) -> list[str]:
    return ["-m", "comment", "--comment", f'name: "{network}" id: "{container_id}"']


def _removal(table: iptables.Table, chains: set[str]) -> list[str]:
    lines = [f"-D POSTROUTING {iptables.quoted(words)}" for words in table.of("POSTROUTING") if words[-1] in chains]
    for name in sorted(chains & table.chains):
        lines += [f"-F {name}", f"-X {name}"]
    return lines


def add(call: Call, cidrs: list[str]) -> None:
    """Masquerade what these addresses of an attachment (`address/length`) send out of their subnets."""
    chain, said = _chain(call.name, call.container_id), _comment(call.name, call.container_id)
    for family in _FAMILIES:
        mine = [cidr for cidr in cidrs if addresses.family(addresses.parse_cidr(cidr)[0]) == family]
        if not mine:
            continue
        with netns.lock():
            lines = [*_removal(iptables.read(family), {chain}), f":{chain} - [0:0]"]
            for cidr in mine:
                subnet = addresses.network_text(cidr)
                address = addresses.unpack(addresses.parse_cidr(cidr)[0])
                rules = (
                    (chain, ["-d", subnet, *said, "-j", "ACCEPT"]),
                    (chain, ["!", "-d", _MULTICAST[family], *said, "-j", "MASQUERADE"]),
                    ("POSTROUTING", ["-s", address, *said, "-j", chain]),
                )
                lines += [f"-A {where} {iptables.quoted(words)}" for where, words in rules]
            iptables.change(family, lines)


def delete(call: Call) -> None:
    """Stop masquerading an attachment's addresses."""
    for family in _FAMILIES:
        with netns.lock():
            iptables.change(family, _removal(iptables.read(family), {_chain(call.name, call.container_id)}))


def collect(call: Call) -> None:
    """Stop masquerading for the network's attachments that are no more."""
    begin = f'name: "{call.name}" id: "'
    keep = {_chain(call.name, container_id) for container_id, _ in valid_attachments(call.config)}
    for family in _FAMILIES:
        with netns.lock():
            table = iptables.read(family)
            mine = {words[-1] for words in table.of("POSTROUTING") if any(word.startswith(begin) for word in words)}
            iptables.change(family, _removal(table, mine - keep))


def exists(call: Call) -> bool:
    """Whether an attachment's addresses are masqueraded."""
    chain = _chain(call.name, call.container_id)
    tables = [iptables.read(family) for family in _FAMILIES]
    return any(words[-1] == chain for table in tables for words in table.of("POSTROUTING"))
