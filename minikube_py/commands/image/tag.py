"""`minikube-py image tag`."""

import click

from minikube_py import images, profiles
from minikube_py.cli import profile_option
from minikube_py.console import Console
from minikube_py.steps.check_host import demand_root


@click.command
@profile_option
@click.argument("name")
@click.argument("further")
def command(profile_name: str, name: str, further: str) -> None:
    """Give an image a further name.

    \b
    minikube-py image tag hello:v1 hello:stable
    """
    demand_root("image tag")
    images.tag(profiles.load(profile_name), name, further)
    Console().say("done", f"Tagged {name} as {further}.")
