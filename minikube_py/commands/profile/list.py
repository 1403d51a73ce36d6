"""`minikube-py profile list`."""

import json

import click

from minikube_py import profiles
from minikube_py.commands.status import status_of
from minikube_py.console import Console
from minikube_py.reasons import Failure

_HEADINGS = ("PROFILE", "DRIVER", "RUNTIME", "IP", "VERSION", "STATUS", "NODES", "ACTIVE")


@click.command
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(output: str) -> None:
    """List the clusters of this home."""
    console = Console()
    valid, invalid, rows = [], [], []
    active = profiles.active_name()
    for name in profiles.names():
        mark = "*" if name == active else ""
        try:
            profile = profiles.load(name)
        except Failure:
            invalid.append({"Name": name, "Status": "Damaged"})
            rows.append((name, "", "", "", "", "Damaged", "", mark))
            continue
        state = status_of(profile)
        running = state["Host"] == "Running" and state["APIServer"] == "Running"
        status = "OK" if running else "Stopped"
        valid.append(
            {
                "Name": name,
                "Status": status,
                "Active": name == active,
                "Config": {
                    "Driver": profile.driver,
                    "ContainerRuntime": profile.container_runtime,
                    "KubernetesVersion": profile.kubernetes_version,
                    "NodeIP": profile.network.node_ip,
                    "APIServerPort": profile.ports.apiserver,
                },
            }
        )
        rows.append(
            (
                name,
                profile.driver,
                profile.container_runtime,
                profile.network.node_ip,
                profile.kubernetes_version,
                status,
                "1",
                mark,
            )
        )
    if output == "json":
        console.out(json.dumps({"valid": valid, "invalid": invalid}))
        return
    widths = [max(len(row[column]) for row in (_HEADINGS, *rows)) for column in range(len(_HEADINGS))]
    for row in (_HEADINGS, *rows):
        console.out("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
