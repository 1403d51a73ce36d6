"""`minikube-py image`."""

import click

from minikube_py.cli import CommandRow, LazyGroup

_TABLE = {
    "build": CommandRow("build", "Build a Dockerfile", "Image"),
    "load": CommandRow("load", "Load archives (docker save, podman save) or OCI layouts", "Image"),
    "ls": CommandRow("ls", "List images", "Image"),
    "pull": CommandRow("pull", "Pull from a registry", "Image"),
    "push": CommandRow("push", "Push to a registry", "Image"),
    "rm": CommandRow("rm", "Remove images", "Image"),
    "save": CommandRow("save", "Write an image to an archive", "Image"),
    "tag": CommandRow("tag", "Give an image a further name", "Image"),
}


@click.command(cls=LazyGroup, package="minikube_py.commands.image", table=_TABLE)
def command() -> None:
    """Build, load, save, pull, push, tag, list and remove images.

    The store is shared with podman and buildah: an image that is there can be run by a pod at once, no registry needed.
    """
