import pytest

from controllers.node_lifecycle import silent_conditions, wanted_taints
from tests.controllers.nodes import until

NOW = "2026-01-01T12:00:00Z"


def node(taints=(), *, unschedulable=False, **conditions):
    rows = [{"type": kind, "status": status, "lastHeartbeatTime": "then"} for kind, status in conditions.items()]
    spec = {"taints": list(taints), **({"unschedulable": True} if unschedulable else {})}
    return {"metadata": {"name": "n1"}, "spec": spec, "status": {"conditions": rows}}


def keys(one):
    return [f"{row['key'].removeprefix('node.kubernetes.io/')}:{row['effect']}" for row in wanted_taints(one, NOW)]


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (node(Ready="True"), []),
        (node(Ready="False"), ["not-ready:NoSchedule", "not-ready:NoExecute"]),
        (node(Ready="Unknown"), ["unreachable:NoSchedule", "unreachable:NoExecute"]),
        (node(), ["unreachable:NoSchedule", "unreachable:NoExecute"]),
        (node(Ready="True", MemoryPressure="True"), ["memory-pressure:NoSchedule"]),
        (node(Ready="True", unschedulable=True), ["unschedulable:NoSchedule"]),
    ],
)
def test_conditions_become_taints(one, expected):
    assert keys(one) == expected


def test_taints_of_others_stay_and_known_ones_keep_their_time():
    old = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "timeAdded": "before"}
    gone = {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}
    mine = {"key": "mine", "effect": "NoSchedule"}
    found = wanted_taints(node([old, gone, mine], Ready="False"), NOW)
    assert found == [mine, {"key": old["key"], "effect": "NoSchedule", "timeAdded": NOW}, old]


def test_a_silent_node_s_conditions_become_unknown():
    found = {row["type"]: row for row in silent_conditions(node(Ready="True"), NOW)}
    assert {row["status"] for row in found.values()} == {"Unknown"}
    assert found["Ready"]["message"] == "Kubelet stopped posting node status."
    assert found["Ready"]["lastHeartbeatTime"] == "then"
    assert found["PIDPressure"]["reason"] == "NodeStatusNeverUpdated"


@pytest.mark.live
async def test_pods_of_a_node_that_is_ready_no_more_serve_nobody(client, nodes, ns):
    await nodes.add("n1")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": ns},
        "spec": {
            "nodeName": "n1",
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "c", "image": "i"}],
        },
    }
    await client.create("pods", pod)

    def readiness(wanted):
        async def check():
            rows = (await client.get("pods", "p", ns))["status"].get("conditions") or ()
            return {row["type"]: row["status"] for row in rows}.get("Ready") == wanted

        return until(check)

    async def told(space, *reasons):
        async def check():
            return set(reasons) <= {event["reason"] for event in (await client.list("events", space))["items"]}

        await until(check)

    await readiness("True")
    await told("default", "RegisteredNode")
    silent = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    await client.patch("nodes", "n1", silent, patch_type="strategic", subresource="status")
    await readiness("False")
    await told("default", "NodeNotReady")
    await told(ns, "NodeNotReady")
    tainted = {row["key"] for row in (await client.get("nodes", "n1"))["spec"]["taints"]}
    assert "node.kubernetes.io/unreachable" in tainted
