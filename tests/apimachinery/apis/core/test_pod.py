import copy

import pytest

from apimachinery.apis.core import container
from apimachinery.apis.core.pod import validate_ephemeral_update, validate_resize
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


def test_ephemeral_containers_can_only_be_added():
    def with_ephemeral(*containers):
        made = pod()
        made["spec"]["ephemeralContainers"] = [{"name": name, "image": image} for name, image in containers]
        apply_defaults("v1", "Pod", made)
        return made

    old = with_ephemeral(("d", "i"))
    assert validate_ephemeral_update(with_ephemeral(("d", "i"), ("e", "j")), old) == []
    assert [str(one) for one in validate_ephemeral_update(with_ephemeral(("d", "x")), old)] == [
        'spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be changed'
    ]
    assert [str(one) for one in validate_ephemeral_update(with_ephemeral(), old)] == [
        'spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be removed'
    ]
    assert any(
        "Duplicate value" in str(one) for one in validate_ephemeral_update(with_ephemeral(("d", "i"), ("c", "j")), old)
    )


def test_resizing_keeps_the_qos_class_and_touches_cpu_and_memory_only():
    def sized(**resources):
        return pod(**first(resources=resources))

    old = sized(requests={"cpu": "1"}, limits={"cpu": "2"})
    assert validate_resize(sized(requests={"cpu": "500m"}, limits={"cpu": "3"}), old) == []
    assert any("Pod QOS Class may not change" in str(one) for one in validate_resize(sized(), old))
    more = sized(requests={"cpu": "1", "ephemeral-storage": "1"}, limits={"cpu": "2"})
    assert any("only cpu and memory resources are mutable" in str(one) for one in validate_resize(more, old))
