"""What a workload's controller is told of pods: what it asked for has come or gone, an orphan may be adopted."""

from collections.abc import Callable, Iterable

from apimachinery.client.informer import Event, Informer
from apimachinery.controller.expectations import Expectations
from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import Obj, is_deleting, labels, namespace, uid
from apimachinery.objects.metadata import key as key_of
from apimachinery.objects.owner_references import controller_of
from apimachinery.objects.selectors import Selector, from_label_selector

Adopters = Callable[[Obj], Iterable[str]]


def _own_selector(workload: Obj) -> Selector:
    return from_label_selector(workload["spec"].get("selector"))


def selecting(workloads: Informer, selector_of: Callable[[Obj], Selector] = _own_selector) -> Adopters:
    """The keys of the workloads of a pod's namespace that select it.

    Args:
        workloads: They.
        selector_of: What one selects.
    """

    def keys(pod: Obj) -> Iterable[str]:
        for one in workloads.store.list(namespace(pod)):
            if selector_of(one).matches(labels(pod)):
                yield key_of(one)

    return keys


def follow_pods(
    controller: Controller, pods: Informer, kind: str, expectations: Expectations, adopters: Adopters
) -> None:
    """Put workloads into their controller's queue when their pods change.

    Args:
        controller: The workload's.
        pods: All pods.
        kind: The workload's, as owner references name it.
        expectations: Lowered by what is seen.
        adopters: Workloads that may adopt a pod without an owner.
    """

    def changed(event: Event) -> None:
        for pod in (event.new, event.old):
            if pod is None:
                continue
            reference = controller_of(pod)
            if reference is None:
                if event.type != "DELETED":
                    for one in adopters(pod):
                        controller.queue.add(one)
            elif reference.get("kind") == kind:
                key = f"{namespace(pod)}/{reference['name']}"
                if event.type == "ADDED":
                    expectations.created(key)
                elif event.type == "DELETED" or is_deleting(pod):
                    expectations.deleted(key, uid(pod))
                controller.queue.add(key)

    pods.add_handler(changed)
    controller.follow(pods)
