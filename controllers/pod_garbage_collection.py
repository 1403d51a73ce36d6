"""Pods that nobody will ever end: of nodes that have gone, unscheduled ones being deleted, and too many ended ones."""

from apimachinery import errors
from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects.metadata import Obj, is_deleting, metadata, name, namespace
from apimachinery.objects.pods import is_terminal
from controllers.context import Context

_EVERY_SECONDS = 20.0
_KEY = "all"


def orphans(pods: list[Obj], nodes: set[str]) -> list[Obj]:
    """Pods of nodes that do not exist, and unscheduled ones whose deletion was asked for."""
    return [
        pod
        for pod in pods
        if ((node := pod["spec"].get("nodeName")) and node not in nodes) or (not node and is_deleting(pod))
    ]


def surplus(pods: list[Obj], threshold: int) -> list[Obj]:
    """The oldest ended pods above the threshold (0: none)."""
    ended = sorted(
        (pod for pod in pods if is_terminal(pod)), key=lambda pod: metadata(pod).get("creationTimestamp") or ""
    )
    return ended[: max(0, len(ended) - threshold)] if threshold > 0 else []


def new(context: Context) -> Controller:
    """Wire the controller."""
    pods = context.informers.informer("pods")
    nodes = context.informers.informer("nodes")
    suspects: set[str] = set()

    async def reconcile(_key: str) -> Result:
        known = {name(node) for node in nodes.store.list()}
        everything = pods.store.list()
        found = orphans(everything, known)
        # A node may be young: only a pod that was an orphan the last time, too, is one.
        now_suspect = {metadata(pod)["uid"] for pod in found}
        for pod in [one for one in found if metadata(one)["uid"] in suspects] + surplus(
            everything, context.options.terminated_pod_gc_threshold
        ):
            try:
                await context.client.delete("pods", name(pod), namespace(pod), options={"gracePeriodSeconds": 0})
            except errors.NotFound:
                continue
        suspects.clear()
        suspects.update(now_suspect)
        return Result(requeue_after=_EVERY_SECONDS)

    controller = Controller("pod-garbage-collector-controller", reconcile, workers=1)
    controller.follow(pods)
    controller.follow(nodes)
    controller.queue.add(_KEY)
    return controller
