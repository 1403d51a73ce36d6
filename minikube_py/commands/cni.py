"""`minikube-py cni`."""

import os
import sys
from pathlib import Path

import click

_TREE = Path(__file__).resolve().parent.parent.parent


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run the network plugins by hand, as cnitool does, or install them as executables.

    \b
    minikube-py cni install /opt/cni/bin           for podman, containerd, CRI-O, …
    minikube-py cni add NETWORK /run/netns/NAME    NETCONFPATH names the configuration directory
    minikube-py cni del|check|gc|status NETWORK …
    """
    environment = {**os.environ, "PYTHONPATH": str(_TREE)}
    words = [sys.executable, "-m", "cni.library", *(arguments or ("--help",))]
    os.execve(sys.executable, words, environment)  # noqa: S606 - replaced by the library's program, on purpose
