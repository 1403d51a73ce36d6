"""`minikube-py update-context`."""

import click

from minikube_py import kubeconfig_file, profiles
from minikube_py.cli import profile_option
from minikube_py.console import Console


@click.command
@profile_option
def command(profile_name: str) -> None:
    """Put the cluster's entry into the kubeconfig again, and make it the current context."""
    changed = kubeconfig_file.merge(profiles.load(profile_name))
    text = "has been updated" if changed else "was right already"
    Console().say("done", f'The entry "{profile_name}" in {kubeconfig_file.path()} {text}.')
