"""The storage provisioner's command-line flags."""

from dataclasses import dataclass

from component.flags import flag


@dataclass(frozen=True, slots=True)
class Options:
    """Where volumes are made."""

    kubeconfig: str = flag("", help="Path to the kubeconfig file with which to reach the API server.")
    root: str = flag("/var/lib/minikube-py/hostpath-provisioner", help="Directory below which volumes are made.")
    v: int = flag(0, help="Log verbosity.")
