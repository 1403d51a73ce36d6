"""The pods of a DaemonSet, node by node: what one is made of, where one is missing, which are too many (pure)."""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from apimachinery.objects.metadata import Obj, annotations, is_deleting, labels, metadata, name
from apimachinery.objects.pods import is_ready, is_terminal
from controllers.controller_revision import POD_HASH
from controllers.daemon_set.placement import Placement, node_affinity, target_node, tolerations
from controllers.daemon_set.rolling import limits
from controllers.pod_availability import seconds_until_available

GENERATION = "pod-template-generation"
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"

PodsByNode = dict[str, list[Obj]]


@dataclass(slots=True)
class Work:
    """What is to be done.

    Attributes:
        create: Nodes that lack a pod.
        delete: Pods that must go.
        ended: Those of them that failed or succeeded.
    """

    create: list[str] = field(default_factory=list)
    delete: list[Obj] = field(default_factory=list)
    ended: list[Obj] = field(default_factory=list)


def daemon_template(live: Obj, node_name: str, digest: str) -> Obj:
    """The template of the pod for a node.

    Args:
        live: The DaemonSet.
        node_name: The node.
        digest: The hash of the present revision.
    """
    template = live["spec"]["template"]
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    shown = {**(meta.get("labels") or {}), POD_HASH: digest}
    generation = annotations(live).get(_TEMPLATE_GENERATION)
    if generation:
        shown[GENERATION] = generation
    return {
        "metadata": {**meta, "labels": shown},
        "spec": {
            **spec,
            "tolerations": tolerations(spec),
            "affinity": node_affinity(spec.get("affinity"), node_name),
        },
    }


def is_updated(live: Obj, pod: Obj, digest: str) -> bool:
    """Whether a pod was made from the present template."""
    shown, generation = labels(pod), annotations(live).get(_TEMPLATE_GENERATION)
    return bool(shown.get(POD_HASH) == digest or (generation and shown.get(GENERATION) == generation))


def by_node(pods: Iterable[Obj]) -> PodsByNode:
    """Pods by the nodes that they are meant for; not those that name none, or have ended and are being deleted."""
    found: PodsByNode = {}
    for pod in pods:
        node = target_node(pod)
        if node and not (is_terminal(pod) and is_deleting(pod)):
            found.setdefault(node, []).append(pod)
    for listed in found.values():
        listed.sort(key=_age)
    return found


def _age(pod: Obj) -> tuple[bool, str, str]:
    # Bound pods come first, then the oldest.
    return (not (pod.get("spec") or {}).get("nodeName"), metadata(pod).get("creationTimestamp") or "", name(pod))


def work(live: Obj, pods: PodsByNode, placements: Mapping[str, Placement], digest: str, now: datetime.datetime) -> Work:
    """What is missing and what is too much.

    Args:
        live: The DaemonSet.
        pods: Its pods by node.
        placements: Which nodes are for it; all nodes there are.
        digest: The hash of the present revision.
        now: The time.
    """
    todo = Work()
    surges = limits(live, len(placements))[0] > 0
    for node_name, placement in placements.items():
        here = pods.get(node_name, [])
        if placement.run and not here:
            todo.create.append(node_name)
        elif placement.stay:
            staying = [pod for pod in here if not is_deleting(pod)]
            todo.ended += [pod for pod in staying if is_terminal(pod)]
            running = [pod for pod in staying if not is_terminal(pod)]
            if surges and placement.run and not staying:
                # The one that goes need not be waited for.
                todo.create.append(node_name)
            todo.delete += _replaced(live, running, digest, now) if surges else running[1:]
        else:
            todo.delete += [pod for pod in here if not is_deleting(pod)]
    # What was made for a node that has gone since will never be bound.
    for node_name, listed in pods.items():
        if node_name not in placements:
            todo.delete += [
                pod for pod in listed if not (pod.get("spec") or {}).get("nodeName") and not is_deleting(pod)
            ]
    return todo


def _replaced(live: Obj, running: list[Obj], digest: str, now: datetime.datetime) -> list[Obj]:
    """With maxSurge two pods may run on a node: the old one until the new one is available."""
    if len(running) < 2:
        return []
    new = [pod for pod in running if labels(pod).get(POD_HASH) == digest]
    old = [pod for pod in running if labels(pod).get(POD_HASH) != digest]
    surplus = [*new[1:], *old[1:]]
    least = int(live["spec"].get("minReadySeconds") or 0)
    if new and old and (not is_ready(old[0]) or seconds_until_available(new[0], least, now) == 0):
        surplus.append(old[0])
    return surplus
