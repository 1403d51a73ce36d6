"""`minikube-py stop`."""

import click

from minikube_py import node_shutdown, profiles
from minikube_py.cli import profile_option
from minikube_py.console import Console
from minikube_py.profile_lock import profile_lock
from minikube_py.steps.check_host import demand_root


@click.command
@profile_option
def command(profile_name: str) -> None:
    """Stop the cluster; its objects, images and volumes survive.

    Pods end with their grace period. `minikube-py start` brings the same cluster back.
    """
    demand_root("stop")
    console = Console()
    with profile_lock(profile_name):
        profile = profiles.load(profile_name)
        console.say("stop", f'Stopping "{profile.name}" ...')
        node_shutdown.stop_pods(profile, console)
        node_shutdown.stop_programs(profile)
        node_shutdown.remove_network(profile)
        console.say("done", f'"{profile.name}" is stopped; `minikube-py start` brings it back.')
