import pytest

from kubelet.environment import ContainerConfigError, EnvironmentInputs, build, expand, references, service_variables


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(C)", "$(C)"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("$x", "$x"),
        ("a$$", "a$"),
    ],
)
def test_expansion(text, expected):
    assert expand(text, {"A": "1", "B": "2"}) == expected


POD = {"metadata": {"name": "p", "namespace": "d", "uid": "u", "labels": {"a": "b"}}, "spec": {"containers": []}}
OBJECTS = {
    ("configmaps", "c"): {"data": {"k": "v", "1-odd": "x"}},
    ("secrets", "s"): {"data": {"pw": "c2VjcmV0"}},
}


def inputs(**more):
    return EnvironmentInputs(lookup=lambda r, n: OBJECTS.get((r, n)), services=(), pod_ips=("10.0.0.9",), **more)


def test_sources_then_values_with_later_ones_winning():
    container = {
        "name": "c",
        "envFrom": [{"configMapRef": {"name": "c"}, "prefix": "#@!"}, {"secretRef": {"name": "s"}}],
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "value": "$(A)-$(pw)"},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "K", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
            {"name": "O", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k", "optional": True}}},
        ],
        "resources": {},
    }
    env = dict(build(POD, container, inputs()))
    assert env == {"#@!k": "v", "#@!1-odd": "x", "pw": "secret", "A": "1", "B": "1-secret", "IP": "10.0.0.9", "K": "v"}
    assert references(container) == [("configmaps", "c"), ("secrets", "s"), ("secrets", "none")]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"configMapKeyRef": {"name": "no", "key": "k"}}, 'configmap "no" not found'),
        ({"configMapKeyRef": {"name": "c", "key": "no"}}, "couldn't find key no in ConfigMap d/c"),
        ({"secretKeyRef": {"name": "s", "key": "no"}}, "couldn't find key no in Secret d/s"),
    ],
)
def test_missing_references_are_told_as_upstream_tells_them(value, message):
    with pytest.raises(ContainerConfigError, match=message.replace("(", r"\(")):
        build(POD, {"name": "c", "env": [{"name": "X", "valueFrom": value}]}, inputs())


def test_limits_default_to_what_the_node_allows():
    container = {
        "name": "c",
        "env": [{"name": "L", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}}],
    }
    assert dict(build(POD, container, inputs(allocatable={"memory": "64Mi"}))) == {"L": "64"}


def service(namespace, name, ip="10.1.1.1", port=80):
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"clusterIP": ip, "ports": [{"name": "web", "port": port, "protocol": "TCP"}]},
    }


def test_service_variables():
    found = service_variables(
        (service("d", "foo-svc"), service("x", "other"), service("default", "kubernetes")), "d", links=True
    )
    assert found["FOO_SVC_SERVICE_HOST"] == "10.1.1.1"
    assert found["FOO_SVC_SERVICE_PORT_WEB"] == "80"
    assert found["FOO_SVC_PORT_80_TCP_ADDR"] == "10.1.1.1"
    assert found["KUBERNETES_PORT"] == "tcp://10.1.1.1:80"
    assert not any(k.startswith("OTHER") for k in found)
    only = service_variables((service("d", "foo-svc"), service("default", "kubernetes")), "d", links=False)
    assert all(k.startswith("KUBERNETES") for k in only)
    assert not service_variables((service("d", "headless", ip="None"),), "d", links=True)
