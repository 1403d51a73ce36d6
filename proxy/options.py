"""The proxy's command-line flags, with upstream's names."""

from dataclasses import dataclass

from component.flags import Duration, flag


@dataclass(frozen=True, slots=True)
class Options:
    """kube-proxy's flags as far as they are served, and the name of the table."""

    kubeconfig: str = flag("", help="Path to the kubeconfig file with which to reach the API server.")
    cluster_cidr: str = flag("", help="Networks of pods, one per IP family; other sources are masqueraded.")
    hostname_override: str = flag("", help="Name of this node; the host's name without it.")
    nodeport_addresses: tuple[str, ...] = flag(
        (), help="Networks on whose local addresses node ports answer; all but loopback without it."
    )
    healthz_bind_address: str = flag("127.0.0.1:10256", help="Address and port of the health check; empty for none.")
    metrics_bind_address: str = flag("127.0.0.1:10249", help="Address and port of the metrics; empty for none.")
    table: str = flag("kube-proxy", help="Name of the nftables table, which belongs to this process alone.")
    sync_period: Duration = flag(30.0, help="How often to check for the table.")  # noqa: RUF009 - flag makes a field
    masquerade_all: bool = flag(False, help="Rewrite the source of all traffic to services, also between pods.")
    cleanup: bool = flag(False, help="Remove the table and exit.")
    v: int = flag(0, help="Log verbosity.")
