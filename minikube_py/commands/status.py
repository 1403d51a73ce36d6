"""`minikube-py status`."""

import json

import click

from minikube_py import kubeconfig_file, profiles, supervisor
from minikube_py.cli import profile_option
from minikube_py.console import Console
from minikube_py.profiles import Profile
from minikube_py.steps.wait_ready import ApiProbe

# minikube's exit code of `status` is a sum of these.
_HOST_NOT_RUNNING = 1
_CLUSTER_NOT_RUNNING = 2
_KUBERNETES_NOT_RUNNING = 4


def status_of(profile: Profile) -> dict[str, object]:
    """Minikube's status object of a profile's only node."""
    programs = {row.name: row.state for row in supervisor.states(profile)}
    api = "Stopped"
    if programs.get("apiserver") == "RUNNING":
        api = "Running" if ApiProbe(profile, timeout=2.0).is_ready() else "Error"
    return {
        "Name": profile.name,
        "Host": "Running" if programs else "Stopped",
        "Kubelet": "Running" if programs.get("kubelet") == "RUNNING" else "Stopped",
        "APIServer": api,
        "Kubeconfig": kubeconfig_file.state(profile) if programs else "Stopped",
        "Worker": False,
        "Programs": programs,
    }


def exit_code(status: dict[str, object]) -> int:
    """Minikube's exit code for a status object."""
    code = 0
    if status["Host"] != "Running":
        code |= _HOST_NOT_RUNNING
    if status["APIServer"] != "Running":
        code |= _CLUSTER_NOT_RUNNING
    if status["Kubelet"] != "Running":
        code |= _KUBERNETES_NOT_RUNNING
    return code


@click.command
@profile_option
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(profile_name: str, output: str) -> int:
    """Tell what runs.

    Exit code as minikube's: 0 if all runs, else the sum of 1 (host), 2 (API server) and 4 (kubelet); 85 if there is no
    such profile.
    """
    console = Console()
    status = status_of(profiles.load(profile_name))
    if output == "json":
        console.out(json.dumps(status))
    else:
        console.out(
            f"{status['Name']}\ntype: Control Plane\nhost: {status['Host']}\nkubelet: {status['Kubelet']}\n"
            f"apiserver: {status['APIServer']}\nkubeconfig: {status['Kubeconfig']}\n"
        )
    return exit_code(status)
