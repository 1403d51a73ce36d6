"""The scheduler's command-line flags, with upstream's names."""

from __future__ import annotations

from dataclasses import dataclass

from apimachinery.controller.leader_election import ElectionOptions
from component.flags import flag


@dataclass(frozen=True, slots=True)
class Options(ElectionOptions):
    """kube-scheduler's flags as far as they are served."""

    kubeconfig: str = flag("", help="Path to the kubeconfig file with which to reach the API server.")
    config: str = flag("", help="Path to a KubeSchedulerConfiguration file.")
    bind_address: str = flag("127.0.0.1", help="Address to serve health checks and metrics on.")
    secure_port: int = flag(10259, help="Port to serve health checks and metrics on; 0 serves none.")
    tls_cert_file: str = flag("", help="Certificate for the secure port; without one it speaks plain HTTP.")
    tls_private_key_file: str = flag("", help="Key of the certificate.")
    leader_elect_resource_name: str = flag("kube-scheduler", help="The Lease's name.")
    v: int = flag(0, help="Log verbosity.")
