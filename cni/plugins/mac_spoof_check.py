"""Drops what a container sends from a MAC address that is not its own (`macspoofchk` of bridge).

A table of ours in the bridge family: one rule and one set of (port, MAC address) pairs; the table goes with the last.
"""

from __future__ import annotations

from cni.attachment import mark, network_mark
from cni.errors import INTERNAL, CNIError
from cni.plugins import nft_elements
from linux import netns, nftables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni.config import Call

TABLE = "minikube_py_macspoof"


def add(call: Call, port: str, mac: str) -> None:
    """Let a port of the bridge send from one MAC address only."""
    comment = mark(call.name, call.container_id, call.ifname)
    rule = f"add rule bridge {TABLE} prerouting iifname @ports iifname . ether saddr != @sources drop"
    elements = [
        f'add element bridge {TABLE} ports {{ "{port}" comment "{comment}" }}',
        f'add element bridge {TABLE} sources {{ "{port}" . {mac} comment "{comment}" }}',
    ]
    with netns.lock():
        nftables.run(
            "\n".join(
                [
                    f"add table bridge {TABLE}",
                    f"add set bridge {TABLE} ports {{ type ifname; }}",
                    f"add set bridge {TABLE} sources {{ type ifname . ether_addr; }}",
                    f"add chain bridge {TABLE} prerouting {{ type filter hook prerouting priority -300; }}",
                    f"flush chain bridge {TABLE} prerouting",
                    rule,
                    *elements,
                ]
            )
        )


def delete(call: Call) -> None:
    """Forget an attachment's port."""
    wanted = mark(call.name, call.container_id, call.ifname)
    nft_elements.remove(f"bridge {TABLE}", lambda comment: comment == wanted)


def collect(network: str, valid: set[str]) -> None:
    """Forget the ports of those attachments of a network whose marks are not valid."""
    prefix = network_mark(network) + "-"
    nft_elements.remove(f"bridge {TABLE}", lambda comment: comment.startswith(prefix) and comment not in valid)


def check(call: Call) -> None:
    """Raise unless an attachment's port is checked."""
    if not nft_elements.holds(f"bridge {TABLE}", mark(call.name, call.container_id, call.ifname)):
        raise CNIError(INTERNAL, "MAC address check of the container is missing")
