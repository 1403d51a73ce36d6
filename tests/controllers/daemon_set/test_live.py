"""DaemonSets by the real controllers, on nodes without machines."""

import pytest

from apimachinery.objects.metadata import labels, name, uid
from apimachinery.objects.pods import is_ready
from tests.controllers.nodes import until

pytestmark = pytest.mark.live
KIND = "daemonsets.apps"


def daemon_set(ns, image="one", **spec):
    template = {
        "metadata": {"labels": {"app": "d"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": image}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "d", "namespace": ns},
        "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": template, **spec},
    }


async def pods(client, ns):
    """The image of the pod on each node."""
    listed = (await client.list("pods", ns))["items"]
    return {pod["spec"].get("nodeName"): pod["spec"]["containers"][0]["image"] for pod in listed}


def rolled_out(client, ns, image, *places):
    async def check():
        status = (await client.get(KIND, "d", ns)).get("status") or {}
        counted = {status.get(field) for field in ("updatedNumberScheduled", "numberAvailable")}
        return counted == {len(places)} and await pods(client, ns) == dict.fromkeys(places, image)

    return until(check)


async def change_image(client, ns, image):
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
    return await client.patch(KIND, "d", patch, ns, patch_type="strategic")


async def reasons(client, ns):
    return {event["reason"] for event in (await client.list("events", ns))["items"]}


async def test_pods_follow_the_nodes_and_their_labels(client, nodes, ns):
    await nodes.add("n1", disk="ssd")
    await nodes.add("n2")
    live = daemon_set(ns)
    live["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    await client.create(KIND, live)
    await rolled_out(client, ns, "one", "n1")
    await client.patch("nodes", "n2", {"metadata": {"labels": {"disk": "ssd"}}})
    await rolled_out(client, ns, "one", "n1", "n2")
    await client.patch("nodes", "n1", {"metadata": {"labels": {"disk": None}}})
    await rolled_out(client, ns, "one", "n2")
    (pod,) = (await client.list("pods", ns))["items"]
    await client.delete("pods", name(pod), ns)
    await rolled_out(client, ns, "one", "n2")
    assert uid((await client.list("pods", ns))["items"][0]) != uid(pod)
    status = (await client.get(KIND, "d", ns))["status"]
    assert (status["desiredNumberScheduled"], status["observedGeneration"]) == (1, 1)
    assert {"SuccessfulCreate", "SuccessfulDelete"} <= await reasons(client, ns)


async def test_a_rolling_update_goes_on_only_with_ready_pods_and_back_again(client, nodes, ns):
    for node in ("n1", "n2", "n3"):
        await nodes.add(node)
    await client.create(KIND, daemon_set(ns))
    await rolled_out(client, ns, "one", "n1", "n2", "n3")
    nodes.ready = lambda pod: pod["spec"]["containers"][0]["image"] != "broken"
    await change_image(client, ns, "broken")

    async def one_is_away():
        status = (await client.get(KIND, "d", ns))["status"]
        return (status.get("updatedNumberScheduled"), status.get("numberUnavailable")) == (1, 1)

    await until(one_is_away)
    assert sorted((await pods(client, ns)).values()) == ["broken", "one", "one"]
    await change_image(client, ns, "one")
    await rolled_out(client, ns, "one", "n1", "n2", "n3")
    # Going back gives the first template the newest number; nothing is left of the second but its revision.
    revisions = (await client.list("controllerrevisions.apps", ns))["items"]
    by_number = {one["revision"]: one for one in revisions}
    assert sorted(by_number) == [2, 3]
    hashes = {labels(pod)["controller-revision-hash"] for pod in (await client.list("pods", ns))["items"]}
    assert hashes == {labels(by_number[3])["controller-revision-hash"]}


async def test_a_surge_never_leaves_a_node_without_a_pod(client, nodes, ns):
    for node in ("n1", "n2"):
        await nodes.add(node)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    await client.create(KIND, daemon_set(ns, updateStrategy=strategy))
    await rolled_out(client, ns, "one", "n1", "n2")
    listed = await client.list("pods", ns)
    ready = {node: {name(pod) for pod in listed["items"] if pod["spec"]["nodeName"] == node} for node in ("n1", "n2")}
    await change_image(client, ns, "two")
    await rolled_out(client, ns, "two", "n1", "n2")
    gone = 0
    version = listed["metadata"]["resourceVersion"]
    async for kind, pod in client.watch("pods", ns, resource_version=version, allow_bookmarks=False):
        if kind == "DELETED":
            ready[pod["spec"]["nodeName"]].remove(name(pod))
            gone += 1
        elif is_ready(pod):
            ready[pod["spec"]["nodeName"]].add(name(pod))
        assert all(ready.values())
        if gone == 2:
            break


async def test_with_on_delete_only_new_pods_have_the_new_template(client, nodes, ns):
    for node in ("n1", "n2"):
        await nodes.add(node)
    await client.create(KIND, daemon_set(ns, updateStrategy={"type": "OnDelete"}))
    await rolled_out(client, ns, "one", "n1", "n2")
    await change_image(client, ns, "two")
    first = next(pod for pod in (await client.list("pods", ns))["items"] if pod["spec"]["nodeName"] == "n1")
    await client.delete("pods", name(first), ns)

    async def replaced():
        return await pods(client, ns) == {"n1": "two", "n2": "one"}

    await until(replaced)


async def test_failed_pods_are_replaced_and_told(client, nodes, ns):
    await nodes.add("n1")
    await client.create(KIND, daemon_set(ns))
    await rolled_out(client, ns, "one", "n1")
    (pod,) = (await client.list("pods", ns))["items"]
    await client.patch("pods", name(pod), {"status": {"phase": "Failed"}}, ns, subresource="status")

    async def replaced():
        listed = (await client.list("pods", ns))["items"]
        return [uid(one) for one in listed if one["status"]["phase"] == "Running"] not in ([], [uid(pod)])

    await until(replaced)

    async def told():
        return "FailedDaemonPod" in await reasons(client, ns)

    await until(told)


async def test_pods_without_an_owner_are_adopted_and_left_when_their_labels_go(client, nodes, ns):
    await nodes.add("n1")
    orphan = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "orphan", "namespace": ns, "labels": {"app": "d"}},
        "spec": {"nodeName": "n1", "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "one"}]},
    }
    await client.create("pods", orphan)
    await client.create(KIND, daemon_set(ns, updateStrategy={"type": "OnDelete"}))

    async def adopted():
        return (await client.get("pods", "orphan", ns))["metadata"].get("ownerReferences")

    assert (await until(adopted))[0]["name"] == "d"
    assert len((await client.list("pods", ns))["items"]) == 1
    await client.patch("pods", "orphan", {"metadata": {"labels": {"app": "free"}}}, ns)

    async def left_and_replaced():
        free = not (await client.get("pods", "orphan", ns))["metadata"].get("ownerReferences")
        return free and len((await client.list("pods", ns))["items"]) == 2

    await until(left_and_replaced)
