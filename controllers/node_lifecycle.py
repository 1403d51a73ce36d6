"""Nodes that give no sign of life: their conditions become Unknown, they are tainted, and so are unready ones."""

from apimachinery.controller.reconciler import Result
from apimachinery.controller.runner import Controller
from apimachinery.objects.conditions import get_condition, set_condition
from apimachinery.objects.metadata import Obj, name
from apimachinery.objects.times import format_time, parse_time
from controllers.context import Context

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
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


def new(context: Context) -> Controller:
    """Wire the controller."""
    nodes = context.informers.informer("nodes")
    leases = context.informers.informer("leases.coordination.k8s.io", namespace=_LEASES)
    grace = context.options.node_monitor_grace_period

    def heartbeat(node: Obj) -> float:
        """Seconds since a node's last sign of life."""
        lease = leases.store.get(_LEASES, name(node)) or {}
        ready = get_condition(node.get("status"), "Ready") or {}
        signs = [(lease.get("spec") or {}).get("renewTime"), ready.get("lastHeartbeatTime")]
        signs.append(node["metadata"].get("creationTimestamp"))
        now = context.clock.now()
        return min((now - parse_time(sign)).total_seconds() for sign in signs if sign)

    async def reconcile(key: str) -> Result | None:
        node = nodes.store.get_key(key)
        if node is None:
            return None
        moment = format_time(context.clock.now())
        silent = heartbeat(node)
        if silent > grace and (get_condition(node.get("status"), "Ready") or {}).get("status") != "Unknown":
            rows = (node.get("status") or {}).get("conditions") or []
            for kind in _CONDITIONS:
                known = get_condition(node.get("status"), kind)
                reason = "NodeStatusUnknown" if known else "NodeStatusNeverUpdated"
                text = "Kubelet stopped posting node status." if known else "Kubelet never posted node status."
                rows = set_condition(
                    rows,
                    {
                        "type": kind,
                        "status": "Unknown",
                        "lastHeartbeatTime": (known or {}).get("lastHeartbeatTime", moment),
                        "reason": reason,
                        "message": text,
                    },
                    moment,
                )
            node = await context.client.update(
                "nodes", {**node, "status": {**(node.get("status") or {}), "conditions": rows}}, subresource="status"
            )
        taints = wanted_taints(node, moment)
        if taints != ((node.get("spec") or {}).get("taints") or []):
            patch = {"metadata": {"resourceVersion": node["metadata"]["resourceVersion"]}, "spec": {"taints": taints}}
            await context.client.patch("nodes", name(node), patch)
        return Result(requeue_after=max(1.0, grace - silent + 1.0) if silent <= grace else 10.0)

    controller = Controller("node-controller", reconcile, workers=1)
    controller.watch(nodes)
    controller.follow(leases)
    return controller
