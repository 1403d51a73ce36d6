"""Host ports in iptables, for configurations that ask for it: the reference plugin's chains and rules.

`CNI-HOSTPORT-DNAT` (from PREROUTING and OUTPUT) leads to a chain for each attachment, which marks what must be
masqueraded and sends the rest on. Rules and chains are those of the reference, so each removes what the other made.
"""

from __future__ import annotations

from cni.attachment import valid_attachments
from cni.errors import INTERNAL, CNIError
from linux import addresses, iptables, netns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni.config import Call
    from cni.plugins.portmap.rules import Mapping, Options

FAMILIES = (addresses.AF_INET, addresses.AF_INET6)
_TOP, _SET_MARK, _MASQUERADE = "CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ"
_OWN_PREFIX = "CNI-DN-"
_CHAIN_MAX, _COMMENT_MAX, _PORTS_PER_RULE = 28, 255, 15
_PORTS_OPTION = "--dports"


def chain_name(network: str, container_id: str) -> str:
    """The chain of a container's ports."""
    from hashlib import sha512

    return f"{_OWN_PREFIX}{sha512((network + container_id).encode()).hexdigest()}"[:_CHAIN_MAX]


def comment_of(network: str, container_id: str) -> str:
    """What the rules that lead to a container's chain say."""
    return f'dnat name: "{network}" id: "{container_id}"'[:_COMMENT_MAX]


def _shared(options: Options, table: iptables.Table) -> list[str]:
    """What is missing of the chains that all containers share."""
    local = ["-m", "addrtype", "--dst-type", "LOCAL", "-j", _TOP]
    wanted = [("PREROUTING", local), ("OUTPUT", local)]
    if options.snat and not options.mark_chain:
        mark = f"{1 << options.mark_bit:#x}/{1 << options.mark_bit:#x}"
        said = ["-m", "comment", "--comment"]
        wanted += [
            ("POSTROUTING", [*said, "CNI portfwd requiring masquerade", "-j", _MASQUERADE]),
            (_SET_MARK, [*said, "CNI portfwd masquerade mark", "-j", "MARK", "--set-xmark", mark]),
            (_MASQUERADE, ["-m", "mark", "--mark", mark, "-j", "MASQUERADE"]),
        ]
    chains = [f":{name} - [0:0]" for name in (_TOP, _SET_MARK, _MASQUERADE) if name not in table.chains]
    return chains + [f"-A {chain} {iptables.quoted(words)}" for chain, words in wanted if words not in table.of(chain)]


def _entries(call: Call, family: int, mappings: list[Mapping], options: Options) -> list[str]:
    """The rules that lead to the container's chain: one for each fifteen ports of a protocol."""
    lines = []
    said = ["-m", "comment", "--comment", comment_of(call.name, call.container_id)]
    for protocol in sorted({one.protocol for one in mappings}):
        ports = [str(one.host_port) for one in mappings if one.protocol == protocol]
        for start in range(0, len(ports), _PORTS_PER_RULE):
            some = ",".join(ports[start : start + _PORTS_PER_RULE])
            words = ["-p", protocol, *said, "-m", "multiport", _PORTS_OPTION, some, *options.conditions[family]]
            words += ["-j", chain_name(call.name, call.container_id)]
            lines.append(f"-A {_TOP} {iptables.quoted(words)}")
    return lines


def _translations(cidr: str, family: int, chain: str, mappings: list[Mapping], options: Options) -> list[str]:
    """The rules of the container's chain: the marks first, as they must be."""
    packed, _ = addresses.parse_cidr(cidr)
    address = addresses.unpack(packed)
    v6 = family == addresses.AF_INET6
    mark = ["-j", options.mark_chain or _SET_MARK]
    lines = []
    for one in mappings:
        match = ["-p", one.protocol, "--dport", str(one.host_port)]
        if not one.any_ip:
            match += ["-d", one.host_ip]
        sources = [["-s", addresses.network_text(cidr)]] + ([] if v6 else [["-s", "127.0.0.1"]])
        if options.masquerade_all:
            sources = [[]]
        rules = [[*match, *source, *mark] for source in sources] if options.snat else []
        target = f"[{address}]:{one.container_port}" if v6 else f"{address}:{one.container_port}"
        rules.append([*match, "-j", "DNAT", "--to-destination", target])
        lines += [f"-A {chain} {iptables.quoted(words)}" for words in rules]
    return lines


def _cut_off(table: iptables.Table, chains: set[str]) -> list[str]:
    """The lines that remove what leads to containers' chains."""
    return [f"-D {_TOP} {iptables.quoted(words)}" for words in table.of(_TOP) if words[-1] in chains]


def _removal(table: iptables.Table, chains: set[str]) -> list[str]:
    """The lines that remove containers' chains, and what leads to them."""
    lines = _cut_off(table, chains)
    for name in sorted(chains & table.chains):
        lines += [f"-F {name}", f"-X {name}"]
    return lines


def add(call: Call, family: int, cidr: str, mappings: list[Mapping], options: Options) -> None:
    """Forward ports to a container's address (`address/length`)."""
    mine = [one for one in mappings if one.applies_to(family)]
    if not mine:
        return
    chain = chain_name(call.name, call.container_id)
    with netns.lock():
        table = iptables.read(family)
        lines = [*_cut_off(table, {chain}), *_shared(options, table), f":{chain} - [0:0]"]
        lines += _entries(call, family, mine, options)
        lines += _translations(cidr, family, chain, mine, options)
        iptables.change(family, lines)


def delete(call: Call) -> None:
    """Stop forwarding to the container."""
    for family in FAMILIES:
        with netns.lock():
            iptables.change(family, _removal(iptables.read(family), {chain_name(call.name, call.container_id)}))


def collect(call: Call) -> None:
    """Stop forwarding to the network's containers that are no more."""
    begin = comment_of(call.name, "")[:-1]
    keep = {chain_name(call.name, container_id) for container_id, _ in valid_attachments(call.config)}
    for family in FAMILIES:
        with netns.lock():
            table = iptables.read(family)
            mine = {words[-1] for words in table.of(_TOP) if any(word.startswith(begin) for word in words)}
            iptables.change(family, _removal(table, mine - keep))


def check(call: Call, family: int, mappings: list[Mapping]) -> None:
    """Raise unless a container's ports are forwarded.

    Raises:
        CNIError: one is not.
    """
    table = iptables.read(family)
    chain = chain_name(call.name, call.container_id)
    led = {
        port
        for words in table.of(_TOP)
        if words[-1] == chain and _PORTS_OPTION in words
        for port in words[words.index(_PORTS_OPTION) + 1].split(",")
    }
    sent = {words[words.index("--dport") + 1] for words in table.of(chain) if "DNAT" in words and "--dport" in words}
    missing = [one.host_port for one in mappings if one.applies_to(family) and str(one.host_port) not in led & sent]
    if missing:
        raise CNIError(INTERNAL, f"host ports {missing} are not forwarded to the container")
