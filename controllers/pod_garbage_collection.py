"""Pods that nobody will ever end: of nodes that have gone or are out of service, unscheduled ones, too many ended ones.

Looks when something of the kind is seen, and twice before a pod of a missing node goes: its Node may be on its way.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from apimachinery import errors
from apimachinery.client.informer import Event
from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects.conditions import is_true, set_condition
from apimachinery.objects.metadata import Obj, is_deleting, metadata, name, namespace, uid
from apimachinery.objects.pods import is_terminal
from apimachinery.objects.times import now as now_text
from controllers.context import Context

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
_QUARANTINE_SECONDS = 20.0
_KEY = "all"


@dataclass(frozen=True, slots=True)
class Doomed:
    """A pod to end.

    Attributes:
        pod: It.
        why: The message of its DisruptionTarget condition; empty where it is not told.
    """

    pod: Obj
    why: str = ""


def _is_out_of_service(node: Obj) -> bool:
    taints = (node.get("spec") or {}).get("taints") or ()
    return not is_true(node.get("status"), "Ready") and any(row["key"] == OUT_OF_SERVICE for row in taints)


def doom(pod: Obj, nodes: Mapping[str, Obj]) -> Doomed | None:
    """Whether nobody will end a pod.

    Args:
        pod: The pod.
        nodes: Those there are, by name.
    """
    title = (pod.get("spec") or {}).get("nodeName")
    if not title:
        return Doomed(pod) if is_deleting(pod) else None
    node = nodes.get(title)
    if node is None:
        return Doomed(pod, "PodGC: node no longer exists")
    return Doomed(pod) if is_deleting(pod) and _is_out_of_service(node) else None


def surplus(pods: list[Obj], threshold: int) -> list[Obj]:
    """The oldest ended pods above the threshold (0: none), evicted ones first."""
    ended = sorted((pod for pod in pods if is_terminal(pod)), key=_worth)
    return ended[: max(0, len(ended) - threshold)] if threshold > 0 else []


def _worth(pod: Obj) -> tuple[bool, str]:
    evicted = (pod.get("status") or {}).get("reason") == "Evicted"
    return (not evicted, metadata(pod).get("creationTimestamp") or "")


def failed_status(doomed: Doomed, now: str) -> Obj:
    """The last status of a pod that did not end by itself."""
    status = {**(doomed.pod.get("status") or {}), "phase": "Failed"}
    if doomed.why:
        condition = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC", "message": doomed.why}
        status["conditions"] = set_condition(status.get("conditions") or (), condition, now)
    return status


def new(context: Context) -> Controller:
    """Wire the controller."""
    return PodGarbageCollection(context).controller


class PodGarbageCollection:
    """The collector.

    Args:
        context: What every controller is given.
        quarantine: Seconds between the two looks.
    """

    def __init__(self, context: Context, quarantine: float = _QUARANTINE_SECONDS) -> None:
        self._quarantine = quarantine
        self._client = context.client
        self._clock = context.clock
        self._threshold = context.options.terminated_pod_gc_threshold
        self._pods = context.informers.informer("pods")
        self._nodes = context.informers.informer("nodes")
        self._suspects: set[str] = set()
        self.controller = Controller("pod-garbage-collector-controller", self._reconcile, workers=1)
        for informer in (self._pods, self._nodes):
            self.controller.follow(informer)
        self._pods.add_handler(self._pod_changed)
        self._nodes.add_handler(self._node_changed)
        self.controller.queue.add(_KEY)

    def _pod_changed(self, event: Event) -> None:
        if event.type == "DELETED":
            return
        node = (event.new.get("spec") or {}).get("nodeName")
        if is_terminal(event.new) or is_deleting(event.new) or (node and self._nodes.store.get_key(node) is None):
            self.controller.queue.add_after(_KEY, self._quarantine)

    def _node_changed(self, event: Event) -> None:
        if event.type == "DELETED" or _is_out_of_service(event.new):
            self.controller.queue.add_after(_KEY, self._quarantine)

    async def _reconcile(self, _: str) -> Result | None:
        nodes = {name(node): node for node in self._nodes.store.list()}
        everything = self._pods.store.list()
        found = [one for pod in everything if (one := doom(pod, nodes)) is not None]
        for one in found:
            if uid(one.pod) in self._suspects:
                await self._end(one)
        for pod in surplus(everything, self._threshold):
            await self._delete(pod)
        self._suspects = {uid(one.pod) for one in found}
        return Result(requeue_after=self._quarantine) if found else None

    async def _end(self, doomed: Doomed) -> None:
        pod = doomed.pod
        if not is_terminal(pod):
            live = {**pod, "apiVersion": "v1", "kind": "Pod", "status": failed_status(doomed, now_text(self._clock))}
            try:
                await self._client.update("pods", live, subresource="status")
            except errors.NotFound:
                return
        await self._delete(pod)

    async def _delete(self, pod: Obj) -> None:
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid(pod)}}
        try:
            await self._client.delete("pods", name(pod), namespace(pod), options=options)
        except (errors.NotFound, errors.Conflict):
            return
