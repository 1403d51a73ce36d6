"""`minikube-py image save`."""

from pathlib import Path

import click

from minikube_py import images, profiles
from minikube_py.cli import profile_option
from minikube_py.console import Console
from minikube_py.steps.check_host import demand_root


@click.command
@profile_option
@click.argument("name")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
def command(profile_name: str, name: str, target: Path) -> None:
    """Write an image to a docker-archive, as `docker save` does.

    \b
    minikube-py image save hello:v1 hello.tar && podman load -i hello.tar
    """
    demand_root("image save")
    images.save(profiles.load(profile_name), name, target.absolute())
    Console().say("done", f"Saved {name} to {target}.")
