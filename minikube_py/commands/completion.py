"""`minikube-py completion`."""

import click
from click.shell_completion import get_completion_class

from minikube_py.cli import root
from minikube_py.console import Console


@click.command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script that completes minikube-py's commands and flags.

    \b
    source <(minikube-py completion bash)
    """
    kind = get_completion_class(shell)
    if kind is not None:
        Console().out(kind(root, {}, "minikube-py", "_MINIKUBE_PY_COMPLETE").source())
