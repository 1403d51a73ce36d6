"""`minikube-py image pull`."""

import click

from minikube_py import profiles
from minikube_py.cli import profile_option
from minikube_py.console import Console
from minikube_py.runtime_client import RuntimeClient


@click.command
@profile_option
@click.argument("names", nargs=-1, required=True)
def command(profile_name: str, names: tuple[str, ...]) -> None:
    """Pull images from their registries."""
    console = Console()
    with RuntimeClient(profiles.load(profile_name)) as runtime:
        for name in names:
            with console.timed(f"Pulling {name} ..."):
                identity = runtime.pull(name)
            console.say("sub", identity)
