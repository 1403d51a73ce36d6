"""Masquerade of what pods send out of their network (`ipMasq` of bridge and ptp).

One table of ours: a verdict map sends a pod's address to its network's chain, which lets the network's own subnet and
multicast pass and masquerades the rest. So the number of rules is constant; a pod is one element, whose comment says
whose it is. The table goes with its last pod. Where the configuration asks for iptables (`ipMasqBackend`), the work
is masquerade_iptables'.
"""

from __future__ import annotations

import errno

from cni.attachment import digest, mark, network_mark, valid_marks
from cni.errors import INTERNAL, INVALID_CONFIG, CNIError
from cni.plugins import nft_elements
from linux import addresses, netns, nftables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni.config import Call

TABLE = "minikube_py_masquerade"
_MAPS = {
    addresses.AF_INET: ("ip", "pods4", "ipv4_addr", "224.0.0.0/4"),
    addresses.AF_INET6: ("ip6", "pods6", "ipv6_addr", "ff00::/8"),
}


def _chain(network: str, subnet: str) -> str:
    return f"net_{digest(network, subnet, length=16)}"


def _element(cidr: str, network: str, comment: str) -> str:
    packed, _ = addresses.parse_cidr(cidr)
    _, name, _, _ = _MAPS[addresses.family(packed)]
    chain = _chain(network, addresses.network_text(cidr))
    return f'element inet {TABLE} {name} {{ {addresses.unpack(packed)} comment "{comment}" : jump {chain} }}'


def _key(cidr: str) -> str:
    packed, _ = addresses.parse_cidr(cidr)
    return f"element inet {TABLE} {_MAPS[addresses.family(packed)][1]} {{ {addresses.unpack(packed)} }}"


def _skeleton(network: str, cidrs: list[str]) -> list[str]:
    lines = [f"add table inet {TABLE}"]
    for _, name, kind, _ in _MAPS.values():
        lines.append(f"add map inet {TABLE} {name} {{ type {kind} : verdict; }}")
    lines.append(f"add chain inet {TABLE} postrouting {{ type nat hook postrouting priority srcnat; policy accept; }}")
    lines.append(f"flush chain inet {TABLE} postrouting")
    lines += [f"add rule inet {TABLE} postrouting {word} saddr vmap @{name}" for word, name, _, _ in _MAPS.values()]
    for cidr in cidrs:
        subnet = addresses.network_text(cidr)
        word, _, _, multicast = _MAPS[addresses.family(addresses.parse_cidr(cidr)[0])]
        chain = _chain(network, subnet)
        lines.append(f"add chain inet {TABLE} {chain}")
        lines.append(f"flush chain inet {TABLE} {chain}")
        lines.append(f"add rule inet {TABLE} {chain} {word} daddr {{ {subnet}, {multicast} }} return")
        lines.append(f"add rule inet {TABLE} {chain} masquerade")
    return lines


def by_iptables(call: Call) -> bool:
    """Whether the configuration asks for iptables.

    Raises:
        CNIError: it asks for something else that there is not.
    """
    backend = call.text("ipMasqBackend") or "nftables"
    if backend not in ("nftables", "iptables"):
        raise CNIError(INVALID_CONFIG, f'unknown ipmasq backend "{backend}"')
    return backend == "iptables"


def add(call: Call, cidrs: list[str]) -> None:
    """Masquerade what these addresses of an attachment (`address/length`) send out of their subnets."""
    if by_iptables(call):
        from cni.plugins import masquerade_iptables

        masquerade_iptables.add(call, cidrs)
        return
    comment = mark(call.name, call.container_id, call.ifname)
    creates = [f"create {_element(cidr, call.name, comment)}" for cidr in cidrs]
    with netns.lock():
        try:
            nftables.run("\n".join(creates))
            return
        except nftables.NftablesError as error:
            if error.errno not in (errno.ENOENT, errno.EEXIST):
                raise
        # The table or the network's chain is missing, or an element was left over by somebody who was killed.
        skeleton = _skeleton(call.name, cidrs)
        adds = [f"add {_element(cidr, call.name, comment)}" for cidr in cidrs]
        deletes = [f"delete {_key(cidr)}" for cidr in cidrs]
        try:
            nftables.run("\n".join([*skeleton, *adds, *deletes, *adds]))
        except nftables.NftablesError as error:
            if error.errno != errno.EEXIST:
                raise
            # The leftover points to another network's chain.
            nftables.run("\n".join([*skeleton, *deletes, *adds]))


def delete(call: Call) -> None:
    """Stop masquerading an attachment's addresses."""
    wanted = mark(call.name, call.container_id, call.ifname)
    nft_elements.remove(f"inet {TABLE}", lambda comment: comment == wanted)
    if call.config.get("ipMasqBackend") == "iptables":
        from cni.plugins import masquerade_iptables

        masquerade_iptables.delete(call)


def collect(call: Call) -> None:
    """Stop masquerading for those attachments of the network that are no more."""
    prefix, valid = network_mark(call.name) + "-", valid_marks(call.name, call.config)
    nft_elements.remove(f"inet {TABLE}", lambda comment: comment.startswith(prefix) and comment not in valid)
    if call.config.get("ipMasqBackend") == "iptables":
        from cni.plugins import masquerade_iptables

        masquerade_iptables.collect(call)


def check(call: Call) -> None:
    """Raise unless an attachment's addresses are masqueraded."""
    if by_iptables(call):
        from cni.plugins import masquerade_iptables

        there = masquerade_iptables.exists(call)
    else:
        there = nft_elements.holds(f"inet {TABLE}", mark(call.name, call.container_id, call.ifname))
    if not there:
        raise CNIError(INTERNAL, "masquerade of the container is missing")
