"""`minikube-py image push`."""

import click

from minikube_py import images, profiles
from minikube_py.cli import profile_option
from minikube_py.console import Console
from minikube_py.steps.check_host import demand_root


@click.command
@profile_option
@click.argument("names", nargs=-1, required=True)
def command(profile_name: str, names: tuple[str, ...]) -> None:
    """Push images to the registries that their names begin with.

    \b
    minikube-py image tag hello:v1 127.0.0.1:5000/hello:v1
    minikube-py image push 127.0.0.1:5000/hello:v1
    """
    demand_root("image push")
    console, profile = Console(), profiles.load(profile_name)
    for name in names:
        with console.timed(f"Pushing {name} ..."):
            images.push(profile, name)
