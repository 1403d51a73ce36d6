"""`minikube-py image rm`."""

import click

from minikube_py import profiles
from minikube_py.cli import profile_option
from minikube_py.console import Console
from minikube_py.reasons import IMAGE_REMOVE, Failure
from minikube_py.runtime_client import RuntimeClient


@click.command
@profile_option
@click.argument("names", nargs=-1, required=True)
def command(profile_name: str, names: tuple[str, ...]) -> None:
    """Remove images by name or id, with all their names."""
    with RuntimeClient(profiles.load(profile_name)) as runtime:
        for name in names:
            if not runtime.has_image(name):
                raise Failure(IMAGE_REMOVE, f"{name}: no such image")
            runtime.remove_image(name)
            Console().say("done", f"Removed {name}.")
