import copy

import pytest

from apimachinery.apis.core import container
from apimachinery.apis.registry import apply_defaults, validate_create, validate_update


def pod(**spec):
    made = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ns"},
        "spec": {"containers": [{"name": "c", "image": "nginx"}], **spec},
    }
    apply_defaults("v1", "Pod", made)
    return made


def first(**container):
    return {"containers": [{"name": "c", "image": "nginx", **container}]}


def told(obj):
    return [str(one) for one in validate_create("v1", "Pod", obj)]


def test_a_pod_gets_upstreams_defaults():
    assert pod()["spec"] == {
        "containers": [
            {
                "name": "c",
                "image": "nginx",
                "imagePullPolicy": "Always",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1", "IfNotPresent"),
        ("host:5000/nginx", "Always"),
        ("host:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
    ],
)
def test_pull_policy(image, policy):
    assert container.default_pull_policy(image) == policy


def test_limits_are_requested_and_host_ports_filled():
    spec = pod(hostNetwork=True, **first(resources={"limits": {"cpu": "1"}}, ports=[{"containerPort": 80}]))["spec"]
    assert spec["containers"][0]["resources"]["requests"] == {"cpu": "1"}
    assert spec["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP", "hostPort": 80}]


def test_probes_and_volumes():
    spec = pod(
        volumes=[{"name": "v"}, {"name": "s", "secret": {"secretName": "x"}}],
        **first(livenessProbe={"httpGet": {"port": 80}}),
    )["spec"]
    assert spec["volumes"] == [
        {"name": "v", "emptyDir": {}},
        {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}},
    ]
    assert spec["containers"][0]["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"containers": []}, "spec.containers: Required value"),
        (first(image=""), "spec.containers[0].image: Required value"),
        (
            first(name="A_b"),
            'spec.containers[0].name: Invalid value: "A_b": a lowercase RFC 1123 label must consist of',
        ),
        (
            first(imagePullPolicy="X"),
            'spec.containers[0].imagePullPolicy: Unsupported value: "X": supported values: "Always", "IfNotPresent", "Never"',
        ),
        (
            first(ports=[{"containerPort": 70000}]),
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            first(volumeMounts=[{"name": "v", "mountPath": "/x"}]),
            'spec.containers[0].volumeMounts[0].name: Not found: "v"',
        ),
        (first(env=[{"name": ""}]), "spec.containers[0].env[0].name: Required value"),
        (first(livenessProbe={}), "spec.containers[0].livenessProbe: Required value: must specify a handler type"),
        (
            first(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
            'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        ({"restartPolicy": "X"}, 'spec.restartPolicy: Unsupported value: "X"'),
        (
            {"terminationGracePeriodSeconds": -1},
            "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0",
        ),
        ({"volumes": [{"name": "v"}, {"name": "v"}]}, 'spec.volumes[1].name: Duplicate value: "v"'),
        (
            {"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]},
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        (
            {"securityContext": {"sysctls": [{"name": "foo-"}]}},
            'spec.securityContext.sysctls[0].name: Invalid value: "foo-": must have at most 253 characters and match regex',
        ),
        ({"tolerations": [{"key": "", "operator": "Equal"}]}, "operator must be Exists when `key` is empty"),
        ({"nodeSelector": {"a b": "c"}}, "spec.nodeSelector: Invalid value"),
        ({"hostname": "A"}, 'spec.hostname: Invalid value: "A"'),
        ({"dnsPolicy": "None"}, "must provide at least one DNS nameserver when `dnsPolicy` is None"),
    ],
)
def test_what_is_wrong_with_a_pod(spec, message):
    errors = told(pod(**spec))
    assert any(message in one for one in errors), errors


def updated(**spec):
    old = pod(activeDeadlineSeconds=10, tolerations=[{"key": "a", "operator": "Exists"}])
    new = copy.deepcopy(old)
    new["spec"].update(spec)
    return [str(one) for one in validate_update("v1", "Pod", new, old)]


def test_image_deadline_and_new_tolerations_may_change():
    container = {**pod()["spec"]["containers"][0], "image": "other"}
    assert updated(containers=[container]) == []
    assert updated(activeDeadlineSeconds=5) == []
    assert updated(tolerations=[{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}]) == []


def test_nothing_else_may_change():
    assert any("pod updates may not change fields other than" in one for one in updated(hostname="h"))
    assert any("pod updates may not add or remove containers" in one for one in updated(containers=[]))
    assert any("existing toleration can not be modified" in one for one in updated(tolerations=[]))
    assert any("must be less than or equal to previous value" in one for one in updated(activeDeadlineSeconds=11))
