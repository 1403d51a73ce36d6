"""Pods that don't tolerate a NoExecute taint of their node are deleted, at once or when their time is over.

Talks to the API server. A pod's time (`tolerationSeconds`, the shortest of the tolerations that
match) runs from when this controller first saw it beside the taint, and stops when the taint goes.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.errors import Conflict, NotFound
from apimachinery.objects.metadata import is_deleting, key, name, namespace, uid
from apimachinery.objects.pods import is_terminal
from apimachinery.objects.taints import tolerates
from apimachinery.objects.times import now_rfc3339

if TYPE_CHECKING:
    from apimachinery.objects.metadata import Obj
    from controllers.context import Context

_BY_NODE = "node"


def execute_taints(node: Obj | None) -> list[Obj]:
    """The node's NoExecute taints."""
    return [t for t in ((node or {}).get("spec") or {}).get("taints") or () if t.get("effect") == "NoExecute"]


def seconds_tolerated(taints: list[Obj], tolerations: list[Obj]) -> float:
    """How long a pod may stay beside the taints: 0, a number, or for ever."""
    used: list[Obj] = []
    for taint in taints:
        matching = [toleration for toleration in tolerations if tolerates(toleration, taint)]
        if not matching:
            return 0.0
        used += matching
    limits = [float(one["tolerationSeconds"]) for one in used if one.get("tolerationSeconds") is not None]
    return max(min(limits, default=math.inf), 0.0)


def new(context: Context) -> Controller:
    """Wire the controller."""
    pods = context.informers.informer("pods")
    nodes = context.informers.informer("nodes")
    pods.add_index(_BY_NODE, _node_of)
    recorder = context.recorder("taint-eviction-controller")
    beside_since: dict[str, float] = {}

    async def evict(pod: Obj) -> None:
        recorder.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key(pod)}")
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": now_rfc3339(context.clock),
        }
        patch = {"metadata": {"uid": uid(pod)}, "status": {"conditions": [condition]}}
        options = {"preconditions": {"uid": uid(pod)}}
        with contextlib.suppress(NotFound, Conflict):
            await context.client.patch(
                "pods", name(pod), patch, namespace(pod), patch_type="strategic", subresource="status"
            )
            await context.client.delete("pods", name(pod), namespace(pod), options=options)

    async def reconcile(one: str) -> Result | None:
        pod = pods.store.get_key(one)
        node_name = (pod or {}).get("spec", {}).get("nodeName")
        taints = execute_taints(nodes.store.get(None, node_name)) if node_name else []
        if pod is None or is_deleting(pod) or is_terminal(pod):
            beside_since.pop(one, None)
            return None
        if not taints:
            if beside_since.pop(one, None) is not None:
                recorder.event(pod, "Normal", "TaintManagerEviction", f"Cancelling deletion of Pod {key(pod)}")
            return None
        seconds = seconds_tolerated(taints, pod["spec"].get("tolerations") or [])
        if seconds == math.inf:
            beside_since.pop(one, None)
            return None
        now = context.clock.monotonic()
        left = beside_since.setdefault(one, now) + seconds - now
        if left > 0:
            return Result(requeue_after=left)
        beside_since.pop(one, None)
        await evict(pod)
        return None

    def pods_beside(node: Obj) -> list[str]:
        """Most changes of nodes are heartbeats, and concern nobody."""
        there = [key(pod) for pod in pods.store.by_index(_BY_NODE, name(node))]
        return there if execute_taints(node) else [one for one in there if one in beside_since]

    def concerned(pod: Obj) -> list[str]:
        node_name = pod["spec"].get("nodeName")
        tainted = bool(node_name) and bool(execute_taints(nodes.store.get(None, node_name)))
        return [key(pod)] if tainted or key(pod) in beside_since else []

    controller = Controller("taint-eviction-controller", reconcile, workers=4)
    controller.watch(nodes, pods_beside)
    controller.watch(pods, concerned)
    return controller


def _node_of(pod: Obj) -> list[str]:
    node_name = pod["spec"].get("nodeName")
    return [node_name] if node_name else []
