"""Puts the pods' bridge and the node's address onto the host, before anything listens there."""

import ipaddress

from linux import links
from linux.netlink import Netlink
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
    # The host routes before it rewrites: without this, traffic to a Service would leave by the default route where
    # nothing rewrites it, and could not be sent at all on a host without one.
    with Netlink() as netlink:
        index = links.get(addresses.bridge, netlink).index
        netlink.send(links.new_route(addresses.service_cidr, index=index, replace=True))
    write_sysctl("net.ipv4.ip_forward", "1")
