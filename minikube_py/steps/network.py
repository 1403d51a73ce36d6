"""Puts the pods' bridge and the node's address onto the host, before anything listens there."""

import ipaddress

from linux import links
from linux.sysctl import write as write_sysctl
from minikube_py.steps.interface import StartContext


def network(context: StartContext) -> None:
    """Make the bridge with the node's address. What is there already stays."""
    addresses = context.profile.network
    prefix = ipaddress.IPv4Network(addresses.pod_cidr).prefixlen
    if not links.link_exists(addresses.bridge):
        links.add_bridge(addresses.bridge)
    wanted = f"{addresses.node_ip}/{prefix}"
    if wanted not in links.list_addresses(addresses.bridge):
        links.add_address(addresses.bridge, wanted)
    links.set_up(addresses.bridge)
    write_sysctl("net.ipv4.ip_forward", "1")
