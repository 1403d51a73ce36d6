"""The scheduler as a process against a real API server and etcd."""

import asyncio
import os
import subprocess
import sys
import time

import pytest

from apimachinery.client.rest import Client
from apimachinery.errors import APIError
from apimachinery.resources import lookup
from bench.run_apiserver import Pair

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    made = Pair(tmp_path_factory.mktemp("scheduler"))
    made.start()
    process = None
    try:
        made.wait_ready()
        log = (made.directory / "scheduler.log").open("wb")
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "scheduler",
                f"--kubeconfig={made.directory}/scheduler.conf",
                "--secure-port=0",
                "--leader-elect=true",
            ],
            stderr=log,
        )
        yield made
    finally:
        if process is not None:
            process.terminate()
            assert process.wait(10) == 0
        made.stop()


@pytest.fixture
async def client(pair):
    made = Client.from_kubeconfig(f"{pair.directory}/admin.conf", user_agent="test")
    await ensure(made, "serviceaccounts", {"metadata": {"name": "default", "namespace": "default"}})
    for name in ("low:1", "high:1000"):
        title, _, value = name.partition(":")
        await ensure(
            made,
            "priorityclasses.scheduling.k8s.io",
            {"metadata": {"name": title}, "value": int(value)},
        )
    yield made
    for plural in ("pods", "persistentvolumeclaims"):
        for obj in (await made.list(plural, "default"))["items"]:
            await made.delete(plural, obj["metadata"]["name"], "default", options={"gracePeriodSeconds": 0})
    for node in (await made.list("nodes"))["items"]:
        await made.delete("nodes", node["metadata"]["name"])
    await made.close()


async def ensure(client, resource, obj):
    known = lookup(resource)
    try:
        await client.create(resource, {"apiVersion": known.api_version, "kind": known.kind, **obj})
    except APIError as error:
        if error.reason != "AlreadyExists":
            raise


async def add_node(client, name="n1", **labels):
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}},
        "status": {"allocatable": amounts, "capacity": amounts},
    }
    await client.create("nodes", node)
    # The admission plugin taints new nodes until their kubelet is ready; there is none here.
    return await client.patch("nodes", name, {"spec": {"taints": None}})


async def add_pod(client, name, cpu="100m", **spec):
    container = {"name": "c", "image": "busybox", "resources": {"requests": {"cpu": cpu}}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec},
    }
    return await client.create("pods", pod)


async def until(check, seconds=8):
    deadline = time.monotonic() + seconds
    while True:
        found = await check()
        if found:
            return found
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


def condition(pod):
    return next((c for c in (pod.get("status") or {}).get("conditions") or () if c["type"] == "PodScheduled"), {})


async def bound(client, name):
    async def check():
        pod = await client.get("pods", name, "default")
        return pod if pod["spec"].get("nodeName") else None

    return await until(check)


async def unschedulable(client, name):
    async def check():
        pod = await client.get("pods", name, "default")
        return pod if condition(pod).get("status") == "False" else None

    return await until(check)


async def test_a_pod_is_bound_and_told(client):
    await add_node(client)
    await add_pod(client, "web")
    pod = await bound(client, "web")
    assert pod["spec"]["nodeName"] == "n1"
    assert condition(pod)["status"] == "True"

    async def scheduled():
        events = (await client.list("events", "default", field_selector="reason=Scheduled"))["items"]
        return [e for e in events if e["involvedObject"]["uid"] == pod["metadata"]["uid"]]

    (event,) = await until(scheduled)
    assert event["message"] == "Successfully assigned default/web to n1"


async def test_a_pod_waits_for_a_node_and_then_for_room(client):
    await add_pod(client, "early")
    pod = await unschedulable(client, "early")
    assert condition(pod)["message"] == "no nodes available to schedule pods"
    await add_node(client)
    await bound(client, "early")
    await add_pod(client, "big", cpu="4")
    pod = await unschedulable(client, "big")
    assert condition(pod)["reason"] == "Unschedulable"
    assert condition(pod)["message"] == (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
        "1 No preemption victims found for incoming pod."
    )
    await client.delete("pods", "early", "default", options={"gracePeriodSeconds": 0})
    await bound(client, "big")


async def test_preemption_evicts_the_less_important_pod(client):
    await add_node(client)
    await add_pod(client, "victim", cpu="3", priorityClassName="low")
    await bound(client, "victim")
    await client.patch("pods", "victim", {"metadata": {"finalizers": ["example.com/hold"]}}, "default")
    await add_pod(client, "vip", cpu="3", priorityClassName="high")

    async def marked():
        pod = await client.get("pods", "victim", "default")
        found = [c for c in pod["status"].get("conditions", ()) if c["type"] == "DisruptionTarget"]
        return found if pod["metadata"].get("deletionTimestamp") else None

    (target,) = await until(marked)
    assert target["reason"] == "PreemptionByScheduler"

    async def nominated():
        return (await client.get("pods", "vip", "default"))["status"].get("nominatedNodeName")

    assert await until(nominated) == "n1"
    await client.patch("pods", "victim", {"metadata": {"finalizers": None}}, "default")
    await bound(client, "vip")


async def test_gates_hold_a_pod_until_they_are_lifted(client):
    await add_node(client)
    await add_pod(client, "gated", schedulingGates=[{"name": "example.com/wait"}])
    await asyncio.sleep(0.3)
    pod = await client.get("pods", "gated", "default")
    assert not pod["spec"].get("nodeName")
    assert condition(pod)["reason"] == "SchedulingGated"
    await client.patch("pods", "gated", {"spec": {"schedulingGates": None}}, "default")
    await bound(client, "gated")


async def test_another_schedulers_pods_are_left_alone(client):
    await add_node(client)
    await add_pod(client, "foreign", schedulerName="somebody-else")
    await add_pod(client, "ours")
    await bound(client, "ours")
    assert not (await client.get("pods", "foreign", "default"))["spec"].get("nodeName")


async def test_a_claim_of_a_waiting_class_gets_its_node_before_the_pod_is_bound(client):
    await add_node(client)
    storage_class = {
        "metadata": {"name": "lazy"},
        "provisioner": "example.com/p",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    await ensure(client, "storageclasses.storage.k8s.io", storage_class)
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "lazy",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    await client.create("persistentvolumeclaims", claim)
    await add_pod(client, "user", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])

    async def selected():
        found = await client.get("persistentvolumeclaims", "data", "default")
        return (found["metadata"].get("annotations") or {}).get("volume.kubernetes.io/selected-node")

    assert await until(selected) == "n1"
    assert not (await client.get("pods", "user", "default"))["spec"].get("nodeName")
    # What provisioner and volume controller would do now.
    await client.patch(
        "persistentvolumeclaims",
        "data",
        {"spec": {"volumeName": "pv-1"}, "metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}},
        "default",
    )
    await client.patch(
        "persistentvolumeclaims", "data", {"status": {"phase": "Bound"}}, "default", subresource="status"
    )
    await bound(client, "user")


@pytest.mark.skipif(not os.environ.get("MKT_BENCH"), reason="a measurement")
async def test_many_pods(client):
    await add_node(client)
    begun = time.perf_counter()
    await asyncio.gather(*(add_pod(client, f"m{i}", cpu="1m") for i in range(100)))

    async def all_bound():
        pods = (await client.list("pods", "default"))["items"]
        return len(pods) == 100 and all(p["spec"].get("nodeName") for p in pods)

    await until(all_bound)
    print("100 pods bound in", time.perf_counter() - begun)


async def test_the_scheduler_that_works_holds_the_lease(client):
    lease = await client.get("leases.coordination.k8s.io", "kube-scheduler", "kube-system")
    assert lease["spec"]["holderIdentity"]
