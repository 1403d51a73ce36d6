"""`minikube-py ssh`."""

import os

import click

from minikube_py import profiles
from minikube_py.cli import profile_option
from minikube_py.reasons import NOT_RUNNING, Failure
from minikube_py.supervisor import pid


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@profile_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(profile_name: str, arguments: tuple[str, ...]) -> None:
    """Open a shell on the node, or run a command there.

    On the host driver the node is this host, so it is a shell here, with KUBECONFIG and the runtime's endpoint set.

    \b
    minikube-py ssh
    minikube-py ssh -- ls /run/minikube-py
    """
    profile = profiles.load(profile_name)
    if not pid(profile):
        raise Failure(NOT_RUNNING, f'the cluster "{profile.name}" is not running', name=profile.name)
    environment = {
        **os.environ,
        "KUBECONFIG": f"{profile.directory}/kubeconfigs/admin.conf",
        "CONTAINER_RUNTIME_ENDPOINT": f"unix://{profile.cri_socket}",
    }
    shell = os.environ.get("SHELL") or "/bin/sh"
    words = [shell, "-c", " ".join(arguments)] if arguments else [shell]
    os.execvpe(words[0], words, environment)  # noqa: S606 - replaced by the shell, on purpose
