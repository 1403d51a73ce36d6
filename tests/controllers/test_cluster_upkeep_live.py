"""Small controllers of the cluster's own objects, by the real process."""

import base64
import datetime

import pytest

from apimachinery.objects.metadata import annotations, finalizers
from apimachinery.resources import lookup
from controllers.node_ttl import ANNOTATION
from tests.controllers.nodes import until

pytestmark = pytest.mark.live


async def make(client, resource, title, space="", **fields):
    known = lookup(resource)
    meta = {"name": title, **({"namespace": space} if space else {})}
    return await client.create(
        resource, {"apiVersion": known.api_version, "kind": known.kind, "metadata": meta, **fields}
    )


async def test_nodes_get_addresses_and_a_time_to_live(client, nodes):
    for title in ("n1", "n2"):
        await nodes.add(title)

    async def given():
        found = [await client.get("nodes", title) for title in ("n1", "n2")]
        ranges = {node["spec"].get("podCIDR") for node in found}
        told = {annotations(node).get(ANNOTATION) for node in found}
        return ranges == {"10.244.0.0/24", "10.244.1.0/24"} and told == {"0"}

    await until(given)


async def test_bootstrap_tokens_sign_the_cluster_info_until_they_end(client):
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-signing": "true",
        "expiration": soon.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    kind = "bootstrap.kubernetes.io/token"
    await make(client, "configmaps", "cluster-info", "kube-public", data={"kubeconfig": "content"})
    await make(client, "secrets", "bootstrap-token-abcdef", "kube-system", type=kind, data=encoded)

    async def info():
        return (await client.get("configmaps", "cluster-info", "kube-public"))["data"]

    async def has_signature():
        return (await info()).get("jws-kubeconfig-abcdef")

    assert ".." in await until(has_signature)

    async def gone():
        left = (await client.list("secrets", "kube-system", field_selector=f"type={kind}"))["items"]
        return not left and await info() == {"kubeconfig": "content"}

    await until(gone)
    await client.delete("configmaps", "cluster-info", "kube-public")


async def test_policies_are_told_to_be_seen(client):
    resource = "validatingadmissionpolicies.admissionregistration.k8s.io"
    rules = [{"apiGroups": ["none.example.com"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]
    spec = {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "true"}]}
    await make(client, resource, "p", spec=spec)

    async def seen(generation):
        status = (await client.get(resource, "p")).get("status") or {}
        return status.get("observedGeneration") == generation

    await until(lambda: seen(1))
    await client.patch(resource, "p", {"spec": {"validations": [{"expression": "false"}]}})
    await until(lambda: seen(2))
    await client.delete(resource, "p")


async def test_volume_attributes_classes_in_use_stay_and_finalizers_come_back(client, ns):
    resource = "volumeattributesclasses.storage.k8s.io"
    await make(client, resource, "gold", driverName="d.example.com", parameters={"a": "b"})
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "none",
        "volumeAttributesClassName": "gold",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    await make(client, "persistentvolumeclaims", "c", ns, spec=claim)
    await client.patch(resource, "gold", {"metadata": {"finalizers": None}})

    async def protected():
        return finalizers(await client.get(resource, "gold"))

    assert await until(protected) == ["kubernetes.io/vac-protection"]
    await client.delete(resource, "gold")
    assert await protected()
    await client.delete("persistentvolumeclaims", "c", ns)

    async def gone():
        return not (await client.list(resource))["items"]

    await until(gone)
