"""`minikube-py image ls`."""

import json

import click

from minikube_py import profiles
from minikube_py.cli import profile_option
from minikube_py.console import Console
from minikube_py.runtime_client import RuntimeClient


@click.command
@profile_option
@click.option("--format", "output", type=click.Choice(["short", "json"]), default="short", show_default=True)
def command(profile_name: str, output: str) -> None:
    """List the images that pods can use."""
    with RuntimeClient(profiles.load(profile_name)) as runtime:
        if output == "json":
            Console().out(json.dumps(runtime.images()))
            return
        for name in runtime.image_names():
            Console().out(name)
