"""`minikube-py version`."""

import json

import click

from component.version import KUBERNETES_VERSION, MINIKUBE_PY_VERSION
from minikube_py.console import Console


@click.command
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--short", is_flag=True, help="Only the number.")
def command(output: str, *, short: bool) -> None:
    """Print the version of minikube-py and of the Kubernetes it serves."""
    console = Console()
    if output == "json":
        console.out(json.dumps({"minikubeVersion": f"v{MINIKUBE_PY_VERSION}", "kubernetesVersion": KUBERNETES_VERSION}))
    elif short:
        console.out(f"v{MINIKUBE_PY_VERSION}")
    else:
        console.out(f"minikube-py version: v{MINIKUBE_PY_VERSION}\nkubernetes: {KUBERNETES_VERSION}")
