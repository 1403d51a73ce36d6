import json

import pytest

from apimachinery.errors import Forbidden
from apiserver.admission.pod_toleration_restriction import PodTolerationRestriction
from tests.apiserver.admission.plugins import attributes, pod, services
from tests.apiserver.fake_listers import Cluster

A = {"key": "a", "operator": "Exists"}
B = {"key": "b", "operator": "Exists"}
MEMORY = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}


async def tolerated(annotations, configuration=None, operation="CREATE", **spec):
    cluster = Cluster()
    annotations = {f"scheduler.alpha.kubernetes.io/{key}": value for key, value in annotations.items()}
    cluster.put("namespaces", {"metadata": {"name": "ns", "annotations": annotations}})
    plugin = PodTolerationRestriction(services(cluster, PodTolerationRestriction=configuration or {}))
    attrs = attributes(pod(**spec), operation=operation)
    await plugin.admit(attrs)
    await plugin.validate(attrs)
    return attrs.object["spec"].get("tolerations")


async def test_pods_get_the_tolerations_of_their_namespace():
    default = {"defaultTolerations": json.dumps([A])}
    assert await tolerated(default) == [A]
    assert await tolerated(default, tolerations=[B]) == [A, B]
    assert await tolerated(default, tolerations=[B], operation="UPDATE") == [B]
    assert await tolerated({}, {"default": [B]}) == [B]
    assert await tolerated(default, {"default": [B]}) == [A]
    container = {"name": "c", "resources": {"requests": {"cpu": "1"}}}
    assert await tolerated({}, containers=[container]) == [MEMORY]


async def test_pods_have_no_more_than_their_namespace_allows():
    allowed = {"tolerationsWhitelist": json.dumps([A])}
    assert await tolerated(allowed, tolerations=[A | {"effect": "NoSchedule"}]) == [A | {"effect": "NoSchedule"}]
    with pytest.raises(Forbidden, match="conflict with its namespace whitelist"):
        await tolerated(allowed, tolerations=[B])
    with pytest.raises(Forbidden, match="conflict with its namespace whitelist"):
        await tolerated({}, {"whitelist": [A]}, tolerations=[B])


@pytest.mark.parametrize("text", ["{", "{}", "[1]"])
async def test_annotations_that_are_no_list_are_refused(text):
    with pytest.raises(Forbidden, match="defaultTolerations"):
        await tolerated({"defaultTolerations": text})
