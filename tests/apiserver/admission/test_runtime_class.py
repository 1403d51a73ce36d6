import pytest

from tests.apiserver.conftest import pod

CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"


@pytest.fixture
def made_class(api, ns):
    name = "class-" + ns.rpartition("/")[2]
    body = {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": name},
        "handler": "crun",
        "overhead": {"podFixed": {"cpu": "250m", "memory": "64Mi"}},
        "scheduling": {"nodeSelector": {"kind": "fast"}, "tolerations": [{"key": "fast", "operator": "Exists"}]},
    }
    status, made = api.json("POST", CLASSES, body)
    assert status == 201, made
    yield name
    api.json("DELETE", f"{CLASSES}/{name}")


def with_class(name, **spec):
    made = pod("p")
    made["spec"] |= {"runtimeClassName": name, **spec}
    return made


@pytest.mark.live
def test_the_class_gives_overhead_and_scheduling(api, ns, made_class):
    status, stored = api.json("POST", f"{ns}/pods", with_class(made_class, nodeSelector={"disk": "ssd"}))
    assert status == 201, stored
    assert stored["spec"]["overhead"] == {"cpu": "250m", "memory": "64Mi"}
    assert stored["spec"]["nodeSelector"] == {"disk": "ssd", "kind": "fast"}
    assert {"key": "fast", "operator": "Exists"} in stored["spec"]["tolerations"]


@pytest.mark.live
@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found'),
        (
            {"nodeSelector": {"kind": "slow"}},
            "conflict: runtimeClass.scheduling.nodeSelector[kind] = fast; pod.spec.nodeSelector[kind] = slow",
        ),
        ({"overhead": {"cpu": "1"}}, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"),
        (
            {"overhead": {"cpu": "1"}, "runtimeClassName": None},
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
    ],
)
def test_what_contradicts_the_class_is_refused(api, ns, made_class, spec, told):
    status, answer = api.json("POST", f"{ns}/pods", with_class(made_class, **spec))
    assert (status, answer["message"]) == (403, f'pods "p" is forbidden: {told}')


@pytest.mark.live
def test_overhead_is_compared_by_amount(api, ns, made_class):
    body = with_class(made_class, overhead={"cpu": "0.25", "memory": "65536Ki"})
    assert api.json("POST", f"{ns}/pods", body)[0] == 201
