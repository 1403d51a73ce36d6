"""Lets mounts pass between the host and pods, as `mountPropagation: HostToContainer` and `Bidirectional` ask.

systemd makes the root of the mount tree shared at boot; hosts without it (containers, CI runners) keep the kernel's
default, private, on which a runtime has to refuse such mounts.
"""

from linux import mounts
from minikube_py.steps.interface import StartContext


def mount_propagation(context: StartContext) -> None:
    """Share the root of the mount tree where it is private; says so."""
    root = [mount for mount in mounts.mountinfo() if mount.path == "/"]
    if root and not any(field.startswith("shared:") for field in root[-1].propagation):
        mounts.make_shared("/", recursive=True)
        context.console.say("sub", "/ was a private mount: it is shared now, so that volumes can propagate mounts")
