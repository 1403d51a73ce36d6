"""Nodes that give no sign of life: their conditions become Unknown; they and unready ones are tainted, pods marked."""

from apimachinery import errors
from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects.conditions import get_condition, set_condition
from apimachinery.objects.metadata import Obj, name, namespace, uid
from apimachinery.objects.pods import is_ready
from apimachinery.objects.times import format_time, parse_time
from controllers.context import Context

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
_COMPONENT = "node-controller"
_LEASES = "kube-node-lease"
_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_PRESSURE = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
_OURS = {NOT_READY, UNREACHABLE, "node.kubernetes.io/unschedulable", *_PRESSURE.values()}


def wanted_taints(node: Obj, now: str) -> list[Obj]:
    """The taints that a node's conditions ask for, those of others kept."""
    status = node.get("status") or {}
    found: list[Obj] = []
    ready = (get_condition(status, "Ready") or {}).get("status", "Unknown")
    if ready != "True":
        key = NOT_READY if ready == "False" else UNREACHABLE
        found += [{"key": key, "effect": "NoSchedule"}, {"key": key, "effect": "NoExecute"}]
    found += [
        {"key": key, "effect": "NoSchedule"}
        for kind, key in _PRESSURE.items()
        if (get_condition(status, kind) or {}).get("status") == "True"
    ]
    if (node.get("spec") or {}).get("unschedulable"):
        found.append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    old = (node.get("spec") or {}).get("taints") or []
    known = {(row["key"], row["effect"]): row for row in old}
    kept = [row for row in old if row["key"] not in _OURS]
    return kept + [known.get((row["key"], row["effect"])) or {**row, "timeAdded": now} for row in found]


def silent_conditions(node: Obj, now: str) -> list[Obj]:
    """The conditions of a node that gives no sign of life."""
    rows = (node.get("status") or {}).get("conditions") or []
    for kind in _CONDITIONS:
        known = get_condition(node.get("status"), kind)
        condition = {
            "type": kind,
            "status": "Unknown",
            "lastHeartbeatTime": (known or {}).get("lastHeartbeatTime", now),
            "reason": "NodeStatusUnknown" if known else "NodeStatusNeverUpdated",
            "message": "Kubelet stopped posting node status." if known else "Kubelet never posted node status.",
        }
        rows = set_condition(rows, condition, now)
    return rows


def new(context: Context) -> Controller:
    """Wire the controller."""
    return NodeLifecycle(context).controller


class NodeLifecycle:
    """The reconciler."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._clock = context.clock
        self._grace = context.options.node_monitor_grace_period
        self._recorder = context.recorder(_COMPONENT)
        self._nodes = context.informers.informer("nodes")
        self._pods = context.informers.informer("pods")
        self._leases = context.informers.informer("leases.coordination.k8s.io", namespace=_LEASES)
        # Nodes that were ready when they were last looked at, and all that are known.
        self._ready: set[str] = set()
        self._known: dict[str, Obj] = {}
        self.controller = Controller(_COMPONENT, self._reconcile, workers=1)
        self.controller.watch(self._nodes)
        for informer in (self._pods, self._leases):
            self.controller.follow(informer)

    def _silence(self, node: Obj) -> float:
        """Seconds since a node's last sign of life."""
        lease = self._leases.store.get(_LEASES, name(node)) or {}
        ready = get_condition(node.get("status"), "Ready") or {}
        signs = [(lease.get("spec") or {}).get("renewTime"), ready.get("lastHeartbeatTime")]
        signs.append(node["metadata"].get("creationTimestamp"))
        now = self._clock.now()
        return min((now - parse_time(sign)).total_seconds() for sign in signs if sign)

    async def _reconcile(self, key: str) -> Result | None:
        node = self._nodes.store.get_key(key)
        self._tell_of_membership(key, node)
        if node is None:
            return None
        moment = format_time(self._clock.now())
        silent = self._silence(node)
        if silent > self._grace and _readiness(node) != "Unknown":
            status = {**(node.get("status") or {}), "conditions": silent_conditions(node, moment)}
            node = await self._client.update("nodes", {**node, "status": status}, subresource="status")
        taints = wanted_taints(node, moment)
        if taints != ((node.get("spec") or {}).get("taints") or []):
            patch = {"metadata": {"resourceVersion": node["metadata"]["resourceVersion"]}, "spec": {"taints": taints}}
            await self._client.patch("nodes", name(node), patch)
        await self._follow_readiness(node, moment)
        grace = self._grace
        return Result(requeue_after=max(1.0, grace - silent + 1.0) if silent <= grace else 10.0)

    def _tell_of_membership(self, key: str, node: Obj | None) -> None:
        known = self._known.get(key)
        if known is not None and (node is None or uid(node) != uid(known)):
            text = f"Node {key} event: Removing Node {key} from Controller"
            self._recorder.event(known, "Normal", "RemovingNode", text)
            del self._known[key]
            self._ready.discard(key)
        if node is not None and key not in self._known:
            told: Obj = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": key, "uid": uid(node)}}
            self._known[key] = told
            text = f"Node {key} event: Registered Node {key} in Controller"
            self._recorder.event(told, "Normal", "RegisteredNode", text)

    async def _follow_readiness(self, node: Obj, moment: str) -> None:
        """Once a node is ready no more, its pods serve nobody: they are marked, so that Services leave them out."""
        title = name(node)
        if _readiness(node) == "True":
            self._ready.add(title)
        elif title in self._ready:
            for pod in self._pods.store.list():
                if (pod.get("spec") or {}).get("nodeName") == title and is_ready(pod):
                    await self._mark(pod, moment)
            text = f"Node {title} status is now: NodeNotReady"
            self._recorder.event(self._known[title], "Normal", "NodeNotReady", text)
            self._ready.discard(title)

    async def _mark(self, pod: Obj, moment: str) -> None:
        condition = {"type": "Ready", "status": "False", "lastTransitionTime": moment}
        patch = {"metadata": {"uid": uid(pod)}, "status": {"conditions": [condition]}}
        try:
            await self._client.patch(
                "pods", name(pod), patch, namespace(pod), patch_type="strategic", subresource="status"
            )
        except (errors.NotFound, errors.Conflict):
            return
        live = {**pod, "apiVersion": "v1", "kind": "Pod"}
        self._recorder.event(live, "Warning", "NodeNotReady", "Node is not ready")


def _readiness(node: Obj) -> str:
    return str((get_condition(node.get("status"), "Ready") or {}).get("status"))
