"""The DNS server's command-line flags."""

from dataclasses import dataclass

from component.flags import flag


@dataclass(frozen=True, slots=True)
class Options:
    """Where to listen and what to answer."""

    kubeconfig: str = flag("", help="Path to the kubeconfig file with which to reach the API server.")
    cluster_domain: str = flag("cluster.local", help="The cluster's domain.")
    listen_address: str = flag("10.96.0.10", help="Address to listen on; given to the interface while running.")
    port: int = flag(53, help="Port to listen on, UDP and TCP.")
    resolv_conf: str = flag("/etc/resolv.conf", help="File that names the resolvers for everything else.")
    upstream_port: int = flag(53, help="Port of those resolvers.")
    interface: str = flag("lo", help="Interface that gets the address; empty when the address is there already.")
    v: int = flag(0, help="Log verbosity.")
