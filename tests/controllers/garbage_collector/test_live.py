"""Owners, dependents and namespaces that go, by the real controllers."""

import asyncio

import pytest

from apimachinery import errors
from apimachinery.objects.metadata import finalizers, is_deleting, name, uid
from tests.controllers.nodes import until

pytestmark = pytest.mark.live


def config_map(ns, title, *owners, blocks=False, **meta):
    references = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": name(owner),
            "uid": uid(owner),
            **({"blockOwnerDeletion": True} if blocks else {}),
        }
        for owner in owners
    ]
    meta = {"name": title, "namespace": ns, "ownerReferences": references, **meta}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}


async def make(client, ns, title, *owners, **more):
    return await client.create("configmaps", config_map(ns, title, *owners, **more))


def left(client, ns, *names):
    async def check():
        there = {name(one) for one in (await client.list("configmaps", ns))["items"]} - {"kube-root-ca.crt"}
        return there == set(names)

    return until(check)


async def test_dependents_go_after_their_owner(client, ns):
    owner = await make(client, ns, "owner")
    child = await make(client, ns, "child", owner)
    await make(client, ns, "grandchild", child)
    await client.delete("configmaps", "owner", ns, options={"propagationPolicy": "Background"})
    await left(client, ns)


async def test_orphans_stay_without_an_owner(client, ns):
    owner = await make(client, ns, "owner")
    await make(client, ns, "child", owner)
    await client.delete("configmaps", "owner", ns, options={"propagationPolicy": "Orphan"})
    await left(client, ns, "child")
    assert not (await client.get("configmaps", "child", ns))["metadata"].get("ownerReferences")


async def test_in_the_foreground_the_owner_waits_for_those_that_block_it(client, ns):
    owner = await make(client, ns, "owner")
    await make(client, ns, "child", owner, blocks=True, finalizers=["example.com/held"])
    await client.delete("configmaps", "owner", ns, options={"propagationPolicy": "Foreground"})

    async def child_goes():
        return is_deleting(await client.get("configmaps", "child", ns))

    await until(child_goes)
    assert finalizers(await client.get("configmaps", "owner", ns)) == ["foregroundDeletion"]
    await client.patch("configmaps", "child", {"metadata": {"finalizers": None}}, ns)
    await left(client, ns)


async def test_dependents_with_another_owner_stay_and_hold_nobody_up(client, ns):
    # Again and again: whether the watch or the collector itself is the first to know of a change must not matter.
    other, children = await make(client, ns, "other"), []
    for number in range(12):
        one = await make(client, ns, f"one-{number}")
        children.append(name(await make(client, ns, f"child-{number}", one, other, blocks=True)))
        await client.delete("configmaps", name(one), ns, options={"propagationPolicy": "Foreground"})
    await left(client, ns, "other", *children)
    for child in children:
        (reference,) = (await client.get("configmaps", child, ns))["metadata"]["ownerReferences"]
        assert reference["name"] == "other"


async def test_a_circle_goes_in_the_foreground(client, ns):
    first = await make(client, ns, "first")
    second = await make(client, ns, "second", first, blocks=True)
    third = await make(client, ns, "third", second, blocks=True)
    closing = config_map(ns, "first", third, blocks=True)["metadata"]["ownerReferences"]
    await client.patch("configmaps", "first", {"metadata": {"ownerReferences": closing}}, ns)
    await asyncio.sleep(0.1)
    await client.delete("configmaps", "first", ns, options={"propagationPolicy": "Foreground"})
    await left(client, ns)


async def test_a_dependent_of_somebody_who_never_was_goes(client, ns):
    await make(client, ns, "orphan", {"metadata": {"name": "never", "uid": "00000000-0000-0000-0000-000000000000"}})
    await left(client, ns)


async def test_a_namespace_goes_with_its_pods_first(client, ns):
    await make(client, ns, "used")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": ns, "finalizers": ["e.com/held"]}}
    await client.create("pods", {**pod, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    await client.delete("namespaces", ns)

    async def told():
        rows = (await client.get("namespaces", ns))["status"].get("conditions") or ()
        return {row["type"] for row in rows if row["status"] == "True"}

    async def stuck():
        return "NamespaceDeletionContentFailure" in await told()

    await until(stuck)
    assert "NamespaceFinalizersRemaining" in await told()
    assert await client.get("configmaps", "used", ns)
    await client.patch("pods", "p", {"metadata": {"finalizers": None}}, ns)

    async def gone():
        try:
            await client.get("namespaces", ns)
        except errors.NotFound:
            return True
        return False

    await until(gone)


async def test_what_every_namespace_has_comes_back(client, ns):
    for resource, title in (("configmaps", "kube-root-ca.crt"), ("serviceaccounts", "default")):

        async def there(resource=resource, title=title):
            return uid(await client.get(resource, title, ns))

        before = await until(there)
        await client.delete(resource, title, ns)

        async def again(there=there, before=before):
            return await there() != before

        await until(again)
    patch = {"data": {"ca.crt": "other"}}
    await client.patch("configmaps", "kube-root-ca.crt", patch, ns)

    async def restored():
        return (await client.get("configmaps", "kube-root-ca.crt", ns))["data"]["ca.crt"] != "other"

    await until(restored)
