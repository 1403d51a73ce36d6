"""What a step of `start` is."""

from collections.abc import Callable
from dataclasses import dataclass

from minikube_py.console import Console
from minikube_py.profiles import Profile


@dataclass(frozen=True, slots=True)
class StartContext:
    """What the steps share: the profile, the printer, and the person's wishes that are not kept in the profile."""

    profile: Profile
    console: Console
    force: bool = False
    wait_seconds: float = 360.0
    keep_context: bool = False
    install_packages: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One step of `start`. Each can be run again after an interruption at any point and goes on from what it finds.

    Attributes:
        title: Shown before it runs; empty for steps too short to mention.
        run: Does it.
    """

    title: str
    run: Callable[[StartContext], None]
