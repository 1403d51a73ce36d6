"""Deployments by the real controllers, on nodes without machines."""

import pytest

from apimachinery.objects.metadata import annotations, name
from tests.controllers.nodes import until

pytestmark = pytest.mark.live
KIND = "deployments.apps"
REVISION = "deployment.kubernetes.io/revision"


async def deploy(client, ns, **spec):
    container = {"name": "c", "image": "one"}
    template = {
        "metadata": {"labels": {"app": "w"}},
        "spec": {"nodeName": "n1", "terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w", "namespace": ns}}
    made["spec"] = {"replicas": 3, "selector": {"matchLabels": {"app": "w"}}, "template": template, **spec}
    await client.create(KIND, made)


async def change_image(client, ns, image):
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
    await client.patch(KIND, "w", patch, ns, patch_type="strategic")


def rolled_out(client, ns, image, replicas=3):
    async def check():
        live = await client.get(KIND, "w", ns)
        status, generation = live.get("status") or {}, live["metadata"]["generation"]
        pods = (await client.list("pods", ns))["items"]
        images = [pod["spec"]["containers"][0]["image"] for pod in pods]
        done = (status.get("observedGeneration"), status.get("availableReplicas"), status.get("replicas"))
        return live if images == [image] * replicas and done == (generation, replicas, replicas) else None

    return until(check)


def condition(live, kind):
    rows = (live.get("status") or {}).get("conditions") or ()
    return next(((row["status"], row["reason"]) for row in rows if row["type"] == kind), None)


async def test_a_rollout_and_back_share_one_replica_set_per_template(client, nodes, ns):
    await nodes.add("n1")
    await deploy(client, ns)
    live = await rolled_out(client, ns, "one")
    assert annotations(live)[REVISION] == "1"
    await change_image(client, ns, "two")
    assert annotations(await rolled_out(client, ns, "two"))[REVISION] == "2"
    await change_image(client, ns, "one")
    live = await rolled_out(client, ns, "one")
    assert annotations(live)[REVISION] == "3"
    assert condition(live, "Progressing") == ("True", "NewReplicaSetAvailable")
    sets = (await client.list("replicasets.apps", ns))["items"]
    assert sorted((annotations(one)[REVISION], one["spec"]["replicas"]) for one in sets) == [("2", 0), ("3", 3)]


async def test_a_rollout_to_something_broken_leaves_enough_and_says_so(client, nodes, ns):
    await nodes.add("n1")
    nodes.ready = lambda pod: pod["spec"]["containers"][0]["image"] != "broken"
    await deploy(client, ns, progressDeadlineSeconds=1)
    await rolled_out(client, ns, "one")
    await change_image(client, ns, "broken")

    async def stuck():
        live = await client.get(KIND, "w", ns)
        return live if condition(live, "Progressing") == ("False", "ProgressDeadlineExceeded") else None

    live = await until(stuck)
    assert live["status"]["availableReplicas"] == 3
    assert condition(live, "Available") == ("True", "MinimumReplicasAvailable")
    await change_image(client, ns, "one")
    await rolled_out(client, ns, "one")


async def test_recreate_never_runs_both(client, nodes, ns):
    await nodes.add("n1")
    await deploy(client, ns, strategy={"type": "Recreate"})
    await rolled_out(client, ns, "one")
    version = (await client.list("pods", ns))["metadata"]["resourceVersion"]
    await change_image(client, ns, "two")
    await rolled_out(client, ns, "two")
    gone = 0
    async for kind, pod in client.watch("pods", ns, resource_version=version, allow_bookmarks=False):
        gone += kind == "DELETED"
        if kind == "ADDED":
            assert gone == 3
            assert pod["spec"]["containers"][0]["image"] == "two"
            break


async def test_a_paused_deployment_scales_but_does_not_roll_out(client, nodes, ns):
    await nodes.add("n1")
    await deploy(client, ns)
    await rolled_out(client, ns, "one")
    await client.patch(KIND, "w", {"spec": {"paused": True}}, ns)
    await change_image(client, ns, "two")
    await client.patch(KIND, "w", {"spec": {"replicas": 2}}, ns)
    await rolled_out(client, ns, "one", replicas=2)
    await client.patch(KIND, "w", {"spec": {"paused": False}}, ns)
    await rolled_out(client, ns, "two", replicas=2)


async def test_replica_sets_that_nobody_owns_are_adopted_and_old_ones_cleaned_up(client, nodes, ns):
    await nodes.add("n1")
    await deploy(client, ns, revisionHistoryLimit=0)
    await rolled_out(client, ns, "one")
    await client.delete(KIND, "w", ns, options={"propagationPolicy": "Orphan"})

    async def orphaned():
        sets = (await client.list("replicasets.apps", ns))["items"]
        return sets if not sets[0]["metadata"].get("ownerReferences") else None

    (before,) = await until(orphaned)
    await deploy(client, ns, revisionHistoryLimit=0)
    await rolled_out(client, ns, "one")
    (after,) = (await client.list("replicasets.apps", ns))["items"]
    assert name(after) == name(before)
    assert after["metadata"]["ownerReferences"][0]["name"] == "w"
    await change_image(client, ns, "two")
    await rolled_out(client, ns, "two")

    async def only_one_left():
        return len((await client.list("replicasets.apps", ns))["items"]) == 1

    await until(only_one_left)
