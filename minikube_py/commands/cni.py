"""`minikube-py cni`."""

import os
import sys
from pathlib import Path

import click

_TREE = Path(__file__).resolve().parent.parent.parent


# Its --help is that of the program behind it.
@click.command(
    add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run the network plugins by hand, as cnitool does, or install them as executables."""
    environment = {**os.environ, "PYTHONPATH": str(_TREE)}
    words = [sys.executable, "-m", "cni.library", *(arguments or ("--help",))]
    os.execve(sys.executable, words, environment)  # noqa: S606 - replaced by the library's program, on purpose
