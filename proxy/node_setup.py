"""Kernel settings that services need, checked and set once at start.

Talks to /proc/sys. Replies between pods on one bridge pass connection tracking only
with br_netfilter; where it is missing the rules rewrite the source instead.
"""

from __future__ import annotations

from component.logging import get_logger
from linux import sysctl

_LOG = get_logger("node")
_BRIDGE = {4: "net.bridge.bridge-nf-call-iptables", 6: "net.bridge.bridge-nf-call-ip6tables"}
_FORWARD = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}


def prepare(family: int) -> None:
    """Turns forwarding on."""
    try:
        sysctl.write(_FORWARD[family], 1)
    except OSError as error:
        _LOG.warning("Forwarding could not be turned on", sysctl=_FORWARD[family], err=error)


def allow_loopback_node_ports() -> None:
    """Lets packets from 127.0.0.0/8 leave towards pods (node ports on loopback)."""
    try:
        sysctl.write("net.ipv4.conf.all.route_localnet", 1)
    except OSError as error:
        _LOG.warning("Node ports will not answer on loopback", err=error)


def bridge_is_tracked(family: int) -> bool:
    """Whether packets between ports of a bridge pass connection tracking; turns it on where it can."""
    name = _BRIDGE[family]
    if not sysctl.exists(name):
        return False
    try:
        sysctl.write(name, 1)
    except OSError as error:
        _LOG.warning("Bridged packets are not tracked", sysctl=name, err=error)
        return False
    return True
