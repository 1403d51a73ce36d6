"""`minikube-py image load`."""

from pathlib import Path

import click

from minikube_py import images, profiles
from minikube_py.cli import profile_option
from minikube_py.console import Console
from minikube_py.reasons import IMAGE_LOAD, Failure
from minikube_py.steps.check_host import demand_root


@click.command
@profile_option
@click.option("--tag", default="", help="The name to give to an archive's only image.")
@click.argument("sources", nargs=-1, required=True)
def command(profile_name: str, tag: str, sources: tuple[str, ...]) -> None:
    """Load archives (docker-archive or OCI, plain or compressed) or OCI layout directories.

    \b
    podman save -o hello.tar hello:v1 && minikube-py image load hello.tar
    """
    demand_root("image load")
    profile = profiles.load(profile_name)
    console = Console()
    for source in sources:
        path = Path(source)
        if not path.exists():
            raise Failure(IMAGE_LOAD, f"{source}: no such file")
        for name in images.load(profile, path.resolve(), tag):
            console.say("done", f"Loaded {name}.")
