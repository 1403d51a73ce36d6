"""What others write into the status of a workload stays, as upstream's conformance specs for `/status` expect."""

import pytest

from apimachinery.resources import lookup
from tests.controllers.nodes import until

pytestmark = pytest.mark.live
CONTAINER = {"name": "c", "image": "one"}
TEMPLATE = {
    "metadata": {"labels": {"app": "w"}},
    "spec": {"nodeName": "n1", "terminationGracePeriodSeconds": 0, "containers": [CONTAINER]},
}
SELECTOR = {"matchLabels": {"app": "w"}}
WORKLOADS = {
    "deployments.apps": {"selector": SELECTOR},
    "replicasets.apps": {"selector": SELECTOR},
    "statefulsets.apps": {"selector": SELECTOR, "serviceName": "w"},
    "daemonsets.apps": {"selector": SELECTOR},
    "replicationcontrollers": {"selector": {"app": "w"}},
}


async def make(client, ns, resource, **spec):
    known = lookup(resource)
    meta = {"name": "w", "namespace": ns}
    await client.create(resource, {"apiVersion": known.api_version, "kind": known.kind, "metadata": meta, "spec": spec})


@pytest.mark.parametrize("resource", WORKLOADS)
async def test_a_condition_of_somebody_else_stays(client, nodes, ns, resource):
    await nodes.add("n1")
    await make(client, ns, resource, template=TEMPLATE, **WORKLOADS[resource])

    async def settled(least):
        live = await client.get(resource, "w", ns)
        status, generation = live.get("status") or {}, live["metadata"]["generation"]
        ready = status.get("readyReplicas", status.get("numberReady"))
        return live if ready and status.get("observedGeneration") == generation >= least else None

    before = await until(lambda: settled(1))
    mine = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from a test"}
    rows = (before["status"].get("conditions") or []) + [mine]
    await client.patch(resource, "w", {"status": {"conditions": rows}}, ns, subresource="status")
    changed = await client.patch(resource, "w", {"spec": {"minReadySeconds": 1}}, ns)
    status = (await until(lambda: settled(changed["metadata"]["generation"])))["status"]
    assert [row["message"] for row in status["conditions"] if row["type"] == "StatusUpdate"] == ["Set from a test"]


async def test_a_job_keeps_conditions_of_others(client, nodes, ns):
    await nodes.add("n1")
    template = {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
    await make(client, ns, "jobs.batch", template=template, parallelism=1)

    async def active(number):
        status = (await client.get("jobs.batch", "w", ns)).get("status") or {}
        return status if status.get("ready") == number else None

    await until(lambda: active(1))
    mine = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from a test"}
    await client.patch("jobs.batch", "w", {"status": {"conditions": [mine]}}, ns, subresource="status")
    await client.patch("jobs.batch", "w", {"spec": {"suspend": True}}, ns)

    async def suspended():
        rows = (await client.get("jobs.batch", "w", ns))["status"].get("conditions") or ()
        return rows if any(row["type"] == "Suspended" for row in rows) else None

    assert "StatusUpdate" in {row["type"] for row in await until(suspended)}


async def test_a_quota_s_status_is_put_right(client, ns):
    await make(client, ns, "resourcequotas", hard={"configmaps": "10"})

    async def hard(wanted):
        status = (await client.get("resourcequotas", "w", ns)).get("status") or {}
        return status.get("hard") == wanted

    await until(lambda: hard({"configmaps": "10"}))
    await client.patch("resourcequotas", "w", {"status": {"hard": {"configmaps": "99"}}}, ns, subresource="status")
    await until(lambda: hard({"configmaps": "10"}))
