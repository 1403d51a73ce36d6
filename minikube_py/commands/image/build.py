"""`minikube-py image build`."""

from pathlib import Path

import click

from minikube_py import images, profiles
from minikube_py.cli import profile_option
from minikube_py.console import Console
from minikube_py.steps.check_host import demand_root


@click.command
@profile_option
@click.option("-t", "--tag", default="", help="The name to give, as NAME[:TAG].")
@click.option("-f", "--file", "dockerfile", type=click.Path(path_type=Path), help="The Dockerfile (default: in PATH).")
@click.option("--build-arg", "build_args", multiple=True, metavar="KEY=VALUE", help="A value for an ARG.")
@click.argument("path", type=click.Path(path_type=Path), default=Path())
def command(profile_name: str, tag: str, dockerfile: Path | None, build_args: tuple[str, ...], path: Path) -> None:
    """Build the Dockerfile of a directory (default: this one) into the cluster's image store.

    \b
    minikube-py image build -t hello:v1 .
    kubectl run hello --image=hello:v1
    """
    demand_root("image build")
    images.build(profiles.load(profile_name), path, tag=tag, dockerfile=dockerfile, build_args=build_args)
    if tag:
        Console().say("done", f"Built {tag}.")
