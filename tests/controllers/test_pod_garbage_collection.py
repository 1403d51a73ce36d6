import asyncio

import pytest

from apimachinery.client.informer import InformerFactory
from component.clock import Clock
from controllers.context import Context
from controllers.options import Options
from controllers.pod_garbage_collection import (
    OUT_OF_SERVICE,
    Doomed,
    PodGarbageCollection,
    doom,
    failed_status,
    surplus,
)
from tests.controllers.nodes import until

NOW = "2026-01-01T12:00:00Z"


def node(*taints, ready="True"):
    return {
        "spec": {"taints": [{"key": key, "effect": "NoExecute"} for key in taints]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def pod(name="p", *, on="n1", deleting=False, phase="Running", made="10", reason=""):
    meta = {"name": name, "uid": name, "creationTimestamp": f"2026-01-01T00:00:{made}Z"}
    return {
        "metadata": {**meta, **({"deletionTimestamp": "x"} if deleting else {})},
        "spec": {"nodeName": on} if on else {},
        "status": {"phase": phase, "reason": reason},
    }


@pytest.mark.parametrize(
    ("one", "there", "expected"),
    [
        (pod(), node(), None),
        (pod(on="gone"), node(), "PodGC: node no longer exists"),
        (pod(on=""), node(), None),
        (pod(on="", deleting=True), node(), ""),
        (pod(deleting=True), node(ready="Unknown"), None),
        (pod(deleting=True), node(OUT_OF_SERVICE), None),
        (pod(deleting=True), node(OUT_OF_SERVICE, ready="Unknown"), ""),
        (pod(), node(OUT_OF_SERVICE, ready="Unknown"), None),
    ],
)
def test_which_pods_nobody_will_end(one, there, expected):
    found = doom(one, {"n1": there})
    assert (found.why if found else None) == expected


def test_too_many_ended_pods_lose_the_evicted_and_the_oldest():
    pods = [
        pod("young", phase="Failed", made="30"),
        pod("old", phase="Succeeded", made="10"),
        pod("evicted", phase="Failed", made="40", reason="Evicted"),
        pod("running"),
    ]
    assert [one["metadata"]["name"] for one in surplus(pods, 1)] == ["evicted", "old"]
    assert surplus(pods, 3) == []
    assert surplus(pods, 0) == []


def test_a_pod_that_is_ended_has_failed_and_why():
    status = failed_status(Doomed(pod(), "PodGC: node no longer exists"), NOW)
    assert status["phase"] == "Failed"
    (condition,) = status["conditions"]
    assert (condition["type"], condition["reason"]) == ("DisruptionTarget", "DeletionByPodGC")
    assert "conditions" not in failed_status(Doomed(pod()), NOW)


@pytest.fixture
async def quick(client):
    """A collector beside that of the process, in less of a quarantine."""
    context = Context(client, InformerFactory(client), Options(), Clock())
    async with asyncio.TaskGroup() as tasks:
        collector = PodGarbageCollection(context, quarantine=0.2).controller
        running = [tasks.create_task(work()) for work in (collector.run, context.informers.run)]
        yield
        for task in running:
            task.cancel()


@pytest.mark.live
async def test_pods_of_a_node_that_has_gone_go_too(client, nodes, ns, quick):
    await nodes.add("n1")
    await nodes.add("n2")
    for title, on in (("stays", "n1"), ("goes", "n2")):
        spec = {"nodeName": on, "containers": [{"name": "c", "image": "i"}]}
        meta = {"name": title, "namespace": ns}
        await client.create("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    version = (await client.list("pods", ns))["metadata"]["resourceVersion"]
    nodes.names.remove("n2")
    await client.delete("nodes", "n2")
    async for kind, pod in client.watch("pods", ns, resource_version=version, allow_bookmarks=False):
        if kind == "DELETED":
            rows = {row["type"]: row["reason"] for row in pod["status"]["conditions"] if "reason" in row}
            told = (pod["metadata"]["name"], pod["status"]["phase"], rows.get("DisruptionTarget"))
            assert told == ("goes", "Failed", "DeletionByPodGC")
            break

    async def left():
        return [pod["metadata"]["name"] for pod in (await client.list("pods", ns))["items"]] == ["stays"]

    await until(left)
