"""`minikube-py ip`."""

import click

from minikube_py import profiles
from minikube_py.cli import profile_option
from minikube_py.console import Console


@click.command
@profile_option
def command(profile_name: str) -> None:
    """Print the node's address: where NodePorts answer on this host."""
    Console().out(profiles.load(profile_name).network.node_ip)
