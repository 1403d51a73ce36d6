"""`minikube-py delete`."""

import click

from minikube_py import kubeconfig_file, node_shutdown, profiles
from minikube_py.cli import profile_option
from minikube_py.console import Console
from minikube_py.profile_lock import profile_lock
from minikube_py.reasons import PROFILE_NOT_FOUND, Failure
from minikube_py.steps.check_host import demand_root


@click.command
@profile_option
@click.option("--all", "every", is_flag=True, help="Delete all clusters of this home.")
def command(profile_name: str, *, every: bool) -> None:
    """Delete the cluster and all it left on the host.

    Processes, mounts, namespaces, addresses, packet rules, cgroups and files go. Images stay where they are shared
    with podman and buildah.
    """
    demand_root("delete")
    console = Console()
    names = profiles.names() if every else [profile_name]
    for name in names:
        if not profiles.exists(name):
            raise Failure(PROFILE_NOT_FOUND, f'Profile "{name}" not found', name=name)
        with profile_lock(name):
            console.say("delete", f'Deleting "{name}" ...')
            node_shutdown.delete(name, console)
            kubeconfig_file.unmerge(name)
        console.say("done", f'Removed all traces of the "{name}" cluster.')
    profiles.remove_empty_home()
