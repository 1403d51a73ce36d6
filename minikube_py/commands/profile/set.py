"""`minikube-py profile set`."""

import click

from minikube_py import profiles
from minikube_py.console import Console


@click.command
@click.argument("name")
def command(name: str) -> None:
    """Choose the cluster that commands without -p mean."""
    profiles.load(name)
    profiles.set_active(name)
    Console().say("done", f'The active profile is "{name}" now.')
