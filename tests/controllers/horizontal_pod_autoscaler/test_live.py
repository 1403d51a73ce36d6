"""Autoscalers by the real controllers. Metrics are custom objects that the API server serves under metrics.k8s.io."""

import datetime

import pytest

from apimachinery.objects.metadata import name
from apimachinery.resources import Resource
from tests.controllers.nodes import until

pytestmark = pytest.mark.live
KIND = "horizontalpodautoscalers.autoscaling"
METRICS = Resource("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", namespaced=True)


@pytest.fixture
async def metrics(client):
    """metrics.k8s.io, as a custom resource."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "pods.metrics.k8s.io",
            "annotations": {"api-approved.kubernetes.io": "unapproved, a test"},
        },
        "spec": {
            "group": "metrics.k8s.io",
            "names": {"kind": "PodMetrics", "listKind": "PodMetricsList", "plural": "pods", "singular": "pod"},
            "scope": "Namespaced",
            "versions": [{"name": "v1beta1", "served": True, "storage": True, "schema": schema}],
        },
    }
    await client.create("customresourcedefinitions.apiextensions.k8s.io", definition)

    async def served():
        return await client.list(METRICS)

    await until(served)
    yield
    await client.delete("customresourcedefinitions.apiextensions.k8s.io", "pods.metrics.k8s.io")


async def measure(client, ns, cpu):
    """Say that each pod uses so much."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for pod in (await client.list("pods", ns))["items"]:
        told = {
            "apiVersion": METRICS.api_version,
            "kind": METRICS.kind,
            "metadata": {"name": name(pod), "namespace": ns, "labels": {"app": "w"}},
            "timestamp": now,
            "window": "0s",
            "containers": [{"name": "c", "usage": {"cpu": cpu}}],
        }
        await client.patch(METRICS, name(pod), told, ns, patch_type="apply", field_manager="test", force=True)


async def deploy(client, ns, **spec):
    container = {"name": "c", "image": "one", "resources": {"requests": {"cpu": "100m"}}}
    template = {
        "metadata": {"labels": {"app": "w"}},
        "spec": {"nodeName": "n1", "terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "w", "namespace": ns},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "w"}}, "template": template},
    }
    await client.create("deployments.apps", deployment)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "w"}
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    live = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "w", "namespace": ns},
        "spec": {"scaleTargetRef": target, "maxReplicas": 5, "metrics": [cpu], "behavior": behavior, **spec},
    }
    await client.create(KIND, live)


def conditions(live):
    rows = (live.get("status") or {}).get("conditions") or ()
    return {row["type"]: (row["status"], row["reason"]) for row in rows}


async def scaled(client, ns, replicas, **expected):
    async def check():
        live = await client.get(KIND, "w", ns)
        there = (await client.get("deployments.apps", "w", ns)).get("status") or {}
        told = conditions(live)
        same = all(told.get(kind) == value for kind, value in expected.items())
        return live if same and there.get("availableReplicas") == replicas else None

    return await until(check)


async def test_pods_come_and_go_with_their_use(client, nodes, ns, metrics):
    await nodes.add("n1")
    await deploy(client, ns)
    unknown = {"ScalingActive": ("False", "FailedGetResourceMetric")}
    await scaled(client, ns, 2, AbleToScale=("True", "SucceededGetScale"), **unknown)
    await measure(client, ns, "75m")
    live = await scaled(client, ns, 3, ScalingActive=("True", "ValidMetricFound"))
    assert live["status"]["lastScaleTime"]
    await measure(client, ns, "200m")
    await scaled(client, ns, 5, ScalingLimited=("True", "TooManyReplicas"))
    await measure(client, ns, "10m")
    live = await scaled(client, ns, 1, AbleToScale=("True", "ReadyForNewScale"))
    (shown,) = live["status"]["currentMetrics"]
    assert shown == {
        "type": "Resource",
        "resource": {"name": "cpu", "current": {"averageUtilization": 10, "averageValue": "10m"}},
    }
    assert (live["status"]["currentReplicas"], live["status"]["desiredReplicas"]) == (1, 1)
    events = (await client.list("events", ns, field_selector="involvedObject.kind=HorizontalPodAutoscaler"))["items"]
    told = [event["message"] for event in events if event["reason"] == "SuccessfulRescale"]
    assert "New size: 3; reason: cpu resource utilization (percentage of request) above target" in told
    assert "New size: 1; reason: All metrics below target" in told


async def test_limits_hold_without_metrics_and_zero_turns_it_off(client, nodes, ns):
    await nodes.add("n1")
    await deploy(client, ns, minReplicas=3)
    await scaled(client, ns, 3, AbleToScale=("True", "SucceededGetScale"))
    await client.patch("deployments.apps", "w", {"spec": {"replicas": 0}}, ns)
    await scaled(client, ns, None, ScalingActive=("False", "ScalingDisabled"))


async def test_a_target_that_is_not_there_is_told(client, ns):
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "gone"}
    for kind, reference in (("gone", target), ("odd", {**target, "kind": "Oddity"})):
        live = {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": kind, "namespace": ns},
            "spec": {"scaleTargetRef": reference, "maxReplicas": 5},
        }
        await client.create(KIND, live)

        async def told(title=kind):
            return conditions(await client.get(KIND, title, ns)).get("AbleToScale") == ("False", "FailedGetScale")

        await until(told)
