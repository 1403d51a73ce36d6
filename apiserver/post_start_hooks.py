"""What the server does once after its start, under upstream's names: each is a check of health until it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from apiserver.endpoints.health import Health

NAMES = (
    "priority-and-fairness-config-consumer",
    "priority-and-fairness-filter",
    "start-apiextensions-controllers",
    "crd-informer-synced",
    "start-system-namespaces-controller",
    "start-cluster-authentication-info-controller",
    "start-service-ip-repair-controllers",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "bootstrap-controller",
    "start-kubernetes-service-cidr-controller",
    "apiservice-status-local-available-controller",
    "apiservice-status-remote-available-controller",
    "apiservice-registration-controller",
)
"""In upstream's order; only those that stand for something that runs here and that clients have to wait for.

Flow schemas and APIServices (upstream's config-producer and autoregister-completion) are written when what starts the
cluster is done: the server works as well before.
"""


class PostStartHooks:
    """Knows which hooks are done.

    Args:
        health: where each becomes a check.
        names: the hooks of this server.
    """

    def __init__(self, health: Health, names: Iterable[str]) -> None:
        self._done: dict[str, Callable[[], bool]] = {}
        for name in names:
            health.add(f"poststarthook/{name}", partial(self._check, name))

    def started(self, *names: str) -> None:
        """Tell that controllers run whose hooks do no more than start them."""
        self._done.update((name, lambda: True) for name in names)

    def done_when(self, name: str, done: Callable[[], bool]) -> None:
        """Tell what decides whether a hook is done."""
        self._done[name] = done

    def _check(self, name: str) -> str:
        done = self._done.get(name)
        return "" if done is not None and done() else "not finished"
