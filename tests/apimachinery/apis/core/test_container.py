"""What is wrong with a pod's containers, environment, hooks, devices, volumes and DNS, in upstream's words."""

import pytest

from apimachinery.apis.registry import apply_defaults, validate_create


def pod(container=None, **spec):
    made = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ns"},
        "spec": {"containers": [{"name": "c", "image": "i", **(container or {})}], **spec},
    }
    apply_defaults("v1", "Pod", made)
    return made


def env(**source):
    return {"env": [{"name": "E", "valueFrom": source}]}


def shown(field):
    return env(fieldRef={"fieldPath": field})


def resource(**reference):
    return env(resourceFieldRef=reference)


def asks(**resources):
    return {"resources": resources}


def mount(**changes):
    return {"volumeMounts": [{"name": "v", "mountPath": "/m", **changes}]}


VOLUME = {"volumes": [{"name": "v", "emptyDir": {}}]}
PROBE = {"tcpSocket": {"port": 80}}
BAD = [
    (
        shown("metadata.foo"),
        {},
        'fieldRef.fieldPath: Invalid value: "metadata.foo": error converting fieldPath: field ',
    ),
    (
        shown("status.phase"),
        {},
        'fieldPath: Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata',
    ),
    (shown("metadata.labels['-']"), {}, 'env[0].valueFrom.fieldRef: Invalid value: "-": name part must consist of'),
    (resource(resource="limits.foo"), {}, 'resource: Unsupported value: "limits.foo": supported values: "limits.cpu"'),
    (
        resource(resource="limits.cpu", divisor="1k"),
        {},
        'divisor: Invalid value: "cpu": only divisor\'s values 1m and 1 are supported with the cpu resource',
    ),
    (asks(requests={"a.b/c": "1"}), {}, "resources.limits: Required value: Limit must be set for non overcommitable"),
    (
        asks(requests={"a.b/c": "1"}, limits={"a.b/c": "2"}),
        {},
        'resources.requests: Invalid value: "1": must be equal to a.b/c limit of 2',
    ),
    (asks(limits={"a.b/c": "500m"}), {}, 'resources.limits[a.b/c]: Invalid value: "500m": must be an integer'),
    (asks(limits={"hugepages-2Mi": "2Mi"}), {}, "resources: Forbidden: HugePages require cpu or memory"),
    (asks(claims=[{"name": "d"}]), {}, 'resources.claims[0].name: Not found: "d"'),
    (
        {"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]},
        {"restartPolicy": "Never"},
        "resizePolicy[0].restartPolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when `restartPolicy` is",
    ),
    (
        mount(mountPropagation="Bidirectional"),
        VOLUME,
        "mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers",
    ),
    (
        mount(recursiveReadOnly="Enabled"),
        VOLUME,
        "recursiveReadOnly: Forbidden: may only be specified when readOnly is true",
    ),
    (
        mount() | {"volumeDevices": [{"name": "v", "devicePath": "/m"}]},
        VOLUME,
        'volumeDevices[0].devicePath: Invalid value: "/m": must not already exist as a path in volumeMounts',
    ),
    (
        {"readinessProbe": PROBE | {"terminationGracePeriodSeconds": 1}},
        {},
        "readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes",
    ),
    (
        {"livenessProbe": PROBE | {"terminationGracePeriodSeconds": 0}},
        {},
        "livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0",
    ),
    (
        {"livenessProbe": {"httpGet": {"port": 80, "httpHeaders": [{"name": "a b", "value": "c"}]}}},
        {},
        'livenessProbe.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist of',
    ),
    (
        {"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}},
        {},
        "lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)",
    ),
    (
        {},
        {"preemptionPolicy": "X"},
        'spec.preemptionPolicy: Unsupported value: "X": supported values: "Never", "Preempt',
    ),
    ({}, {"os": {"name": "plan9"}}, 'spec.os.name: Unsupported value: "plan9": supported values: "linux", "windows"'),
    (
        {},
        {"overhead": {"cpu": "-1"}},
        'spec.overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to',
    ),
    (
        asks(requests={"cpu": "2"}),
        {"resources": {"requests": {"cpu": "1"}}},
        'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests',
    ),
    ({}, {"resources": {"limits": {"pods": "1"}}}, "spec.resources.limits[pods]"),
    (
        {},
        {"resourceClaims": [{"name": "d"}]},
        "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
    ),
    (
        {},
        {"resourceClaims": [{"name": "d", "resourceClaimName": "a", "resourceClaimTemplateName": "b"}]},
        "at most one of `resourceClaimName`, `resourceClaimTemplateName` may be specified",
    ),
    ({}, {"dnsConfig": {"searches": ["a"] * 33}}, "must not have more than 32 search paths"),
    ({}, {"dnsConfig": {"searches": ["-"]}}, 'spec.dnsConfig.searches[0]: Invalid value: "-": a lowercase RFC 1123'),
    ({}, {"dnsConfig": {"options": [{}]}}, "spec.dnsConfig.options[0]: Required value: must not be empty"),
    (
        {},
        {
            "volumes": [
                {"name": "v", "downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "spec.nodeName"}}]}}
            ]
        },
        'fieldPath: Unsupported value: "spec.nodeName": supported values: "metadata.annotations", "metadata.labels"',
    ),
    (
        {},
        {
            "volumes": [
                {"name": "v", "downwardAPI": {"items": [{"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}}]}}
            ]
        },
        "spec.volumes[0].downwardAPI.items[0].resourceFieldRef.containerName: Required value",
    ),
    ({}, {"volumes": [{"name": "v", "csi": {"driver": "-"}}]}, 'spec.volumes[0].csi.driver: Invalid value: "-"'),
    ({}, {"volumes": [{"name": "v", "rbd": {"image": "i"}}]}, "spec.volumes[0].rbd.monitors: Required value"),
    ({}, {"volumes": [{"name": "v", "fc": {}}]}, "spec.volumes[0].fc.targetWWNs: Required value"),
    ({}, {"volumes": [{"name": "v", "image": {}}]}, "spec.volumes[0].image.reference: Required value"),
    (
        {},
        {"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]},
        "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Required value",
    ),
]


@pytest.mark.parametrize(("container", "spec", "message"), BAD, ids=range(len(BAD)))
def test_what_is_wrong(container, spec, message):
    errors = [str(one) for one in validate_create("v1", "Pod", pod(container, **spec))]
    assert any(message in one for one in errors), errors


@pytest.mark.parametrize(
    "container",
    [
        shown("metadata.labels['app.kubernetes.io/name']"),
        shown("metadata.annotations['Some/Thing']"),
        shown("status.podIPs"),
        resource(resource="limits.memory", divisor="1Mi"),
        resource(resource="requests.hugepages-2Mi", divisor="1"),
        asks(requests={"a.b/c": "1"}, limits={"a.b/c": "1"}),
        asks(limits={"hugepages-2Mi": "2Mi", "cpu": "1"}),
        {"lifecycle": {"preStop": {"sleep": {"seconds": 30}}}},
    ],
)
def test_what_is_right(container):
    assert validate_create("v1", "Pod", pod(container)) == []
