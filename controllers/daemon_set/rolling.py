"""How a rolling update of a DaemonSet replaces its pods: away, then anew; with maxSurge the other way round (pure)."""

import datetime
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from apimachinery.objects.metadata import Obj, is_deleting
from controllers.disruption import share
from controllers.pod_availability import seconds_until_available


@dataclass(slots=True)
class Replacement:
    """What a rolling update does next.

    Attributes:
        delete: Old pods that may go.
        create: Nodes where a new pod may come beside the old one.
    """

    delete: list[Obj] = field(default_factory=list)
    create: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Node:
    """A node's pods that are not being deleted, told apart.

    Attributes:
        doubled: There are several old or several new ones, which come first.
    """

    name: str
    old: Obj | None
    new: Obj | None
    doubled: bool


def limits(live: Obj, nodes: int) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as numbers; never both zero.

    Args:
        live: The DaemonSet.
        nodes: How many nodes are for it.
    """
    strategy = live["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    surge, unavailable = share(rolling.get("maxSurge", 0), nodes), share(rolling.get("maxUnavailable", 1), nodes)
    return surge, unavailable if surge or unavailable else 1


def replacement(
    live: Obj,
    pods: Mapping[str, list[Obj]],
    wanted: Collection[str],
    is_new: Callable[[Obj], bool],
    now: datetime.datetime,
) -> Replacement:
    """What to replace now.

    Args:
        live: The DaemonSet.
        pods: Its pods by node.
        wanted: The nodes that are for it.
        is_new: Whether a pod has the present template.
        now: The time.
    """
    surge, unavailable = limits(live, len(wanted))
    least = int(live["spec"].get("minReadySeconds") or 0)

    def available(pod: Obj) -> bool:
        return seconds_until_available(pod, least, now) == 0

    nodes = [_told_apart(one, pods.get(one, []), is_new) for one in sorted({*wanted, *pods})]
    if surge:
        return _surging([node for node in nodes if node.name in wanted], surge, available)
    return _in_place(nodes, unavailable, available)


def _told_apart(name: str, listed: list[Obj], is_new: Callable[[Obj], bool]) -> _Node:
    staying = [pod for pod in listed if not is_deleting(pod)]
    new = [pod for pod in staying if is_new(pod)]
    old = [pod for pod in staying if not is_new(pod)]
    return _Node(name, next(iter(old), None), next(iter(new), None), len(old) > 1 or len(new) > 1)


def _in_place(nodes: list[_Node], most: int, available: Callable[[Obj], bool]) -> Replacement:
    away = 0
    free: list[Obj] = []
    candidates: list[Obj] = []
    for node in nodes:
        if node.old is not None and node.new is None and not node.doubled:
            # What is not available costs nothing when it is replaced.
            (candidates if available(node.old) else free).append(node.old)
        elif node.new is None or node.old is not None or node.doubled or not available(node.new):
            away += 1
    return Replacement(delete=[*free, *candidates[: max(0, most - away)]])


def _surging(nodes: list[_Node], most: int, available: Callable[[Obj], bool]) -> Replacement:
    surging = 0
    free: list[str] = []
    candidates: list[str] = []
    done: list[Obj] = []
    for node in nodes:
        if node.doubled:
            surging += 1
        elif node.old is None:
            continue
        elif node.new is None:
            (candidates if available(node.old) else free).append(node.name)
        elif available(node.new):
            done.append(node.old)
        else:
            surging += 1
    return Replacement(delete=done, create=[*free, *candidates[: max(0, most - surging)]])
