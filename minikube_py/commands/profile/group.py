"""`minikube-py profile`."""

import click

from minikube_py.cli import CommandRow, LazyGroup
from minikube_py.console import Console

_TABLE = {
    "list": CommandRow("list", "List the clusters of this home", "Profile"),
    "set": CommandRow("set", "Choose the cluster that commands without -p mean", "Profile"),
}


@click.command(cls=LazyGroup, package="minikube_py.commands.profile", table=_TABLE, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List the clusters of this host, choose the active one.

    Without a command it prints the active profile's name.
    """
    if ctx.invoked_subcommand is None:
        from minikube_py import profiles

        Console().out(profiles.active_name())
