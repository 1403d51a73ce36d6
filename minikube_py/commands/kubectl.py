"""`minikube-py kubectl -- …`."""

import os
import sys
from pathlib import Path

import click

from minikube_py import profiles
from minikube_py.cli import profile_option


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@profile_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(profile_name: str, arguments: tuple[str, ...]) -> None:
    """Run the kubectl of the matching version against the cluster.

    \b
    minikube-py kubectl -- get pods -A
    """
    profile = profiles.load(profile_name)
    program = Path(sys.prefix) / "bin" / "kubectl"
    chosen = (
        []
        if any(word.startswith(("--kubeconfig", "--context", "--server")) for word in arguments)
        else [f"--kubeconfig={profile.directory}/kubeconfigs/admin.conf"]
    )
    os.execv(program, ["kubectl", *chosen, *arguments])  # noqa: S606 - replaced by kubectl, on purpose
