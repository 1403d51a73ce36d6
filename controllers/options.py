"""Flags of the controller manager, with upstream's names."""

from dataclasses import dataclass

from apimachinery.controller.leader_election import ElectionOptions
from component.flags import Duration, flag


@dataclass(frozen=True, slots=True)
class Options(ElectionOptions):
    """What `python -m controllers` is told."""

    kubeconfig: str = flag("", help="Kubeconfig of the API server to reconcile.")
    controllers: tuple[str, ...] = flag(("*",), help="Which to run: '*' for all that are on by default, 'foo', '-foo'.")
    root_ca_file: str = flag("", help="The CA that is published in kube-root-ca.crt ConfigMaps and token Secrets.")
    service_account_private_key_file: str = flag("", help="Private key that signs ServiceAccount token Secrets.")
    cluster_cidr: str = flag("", help="The range of pod addresses.")
    allocate_node_cidrs: bool = flag(False, help="Give each node a share of --cluster-cidr.")
    node_cidr_mask_size: int = flag(0, help="Prefix length of a node's share; 24 for IPv4 and 64 for IPv6 by default.")
    node_cidr_mask_size_ipv4: int = flag(0, help="The same, for IPv4 only.")
    node_cidr_mask_size_ipv6: int = flag(0, help="The same, for IPv6 only.")
    service_cluster_ip_range: str = flag("", help="The range of Service addresses.")
    cluster_signing_cert_file: str = flag("", help="CA certificate that signs approved CertificateSigningRequests.")
    cluster_signing_key_file: str = flag("", help="Its key.")
    bind_address: str = flag("127.0.0.1", help="Address of /healthz and /metrics.")
    secure_port: int = flag(10257, help="Port of /healthz and /metrics; 0 to serve none.")
    leader_elect_resource_name: str = flag("kube-controller-manager", help="The Lease's name.")
    use_service_account_credentials: bool = flag(False, help="Accepted for compatibility; one identity is used.")
    terminated_pod_gc_threshold: int = flag(12500, help="Ended pods that may exist before the oldest are deleted.")
    node_monitor_grace_period: Duration = flag(50.0, help="Time without a sign of life before a node is Unknown.")  # noqa: RUF009 - a dataclass field
    horizontal_pod_autoscaler_sync_period: Duration = flag(15.0, help="Time between looks at an autoscaler's metrics.")  # noqa: RUF009 - a dataclass field
    v: int = flag(0, help="Log level.")
