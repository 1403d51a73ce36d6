import pytest

from apimachinery.errors import Forbidden
from apiserver.admission.pod_node_selector import PodNodeSelector
from tests.apiserver.admission.plugins import attributes, pod, services
from tests.apiserver.fake_listers import Cluster

CONFIGURATION = {"podNodeSelectorPluginConfig": {"clusterDefaultNodeSelector": "disk=ssd", "ns": "env=dev,disk=ssd"}}


@pytest.fixture
def cluster():
    made = Cluster()
    made.put("namespaces", {"metadata": {"name": "ns"}})
    return made


async def selected(cluster, configuration=None, **spec):
    plugin = PodNodeSelector(services(cluster, PodNodeSelector=configuration or {}))
    attrs = attributes(pod(**spec))
    await plugin.admit(attrs)
    await plugin.validate(attrs)
    return attrs.object["spec"].get("nodeSelector")


async def test_the_namespace_selects_for_its_pods(cluster):
    annotations = {"scheduler.alpha.kubernetes.io/node-selector": "env=test"}
    cluster.put("namespaces", {"metadata": {"name": "ns", "annotations": annotations}})
    assert await selected(cluster) == {"env": "test"}
    assert await selected(cluster, nodeSelector={"a": "b"}) == {"env": "test", "a": "b"}
    with pytest.raises(Forbidden, match="conflicts with its namespace node label selector"):
        await selected(cluster, nodeSelector={"env": "prod"})
    annotations["scheduler.alpha.kubernetes.io/node-selector"] = "env!=test"
    with pytest.raises(Forbidden, match="not of the form"):
        await selected(cluster)


async def test_the_configuration_has_a_default_and_bounds(cluster):
    assert await selected(cluster) is None
    assert await selected(cluster, CONFIGURATION) == {"disk": "ssd"}
    assert await selected(cluster, CONFIGURATION, nodeSelector={"env": "dev"}) == {"disk": "ssd", "env": "dev"}
    with pytest.raises(Forbidden, match="conflict with its namespace whitelist"):
        await selected(cluster, CONFIGURATION, nodeSelector={"env": "prod"})
