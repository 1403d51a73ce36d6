"""Each kind: what a manifest as people write it becomes, and what is told about a wrong one."""

import copy

import pytest

from apimachinery.apis import registry
from apimachinery.apis.registry import KINDS, apply_defaults, validate_create, validate_update
from apimachinery.resources import RESOURCES
from apimachinery.schema.decode import decode
from apimachinery.schema.tables import schema_for
from apimachinery.schema.validate import unknown_fields

TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
ONCE = {"metadata": {"labels": {"a": "b"}}, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
SELECTOR = {"matchLabels": {"a": "b"}}
BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
CLUSTER_SCOPED = {one.kind for one in RESOURCES if not one.namespaced}

GOOD = {
    ("v1", "ConfigMap"): {"data": {"a": "b"}},
    ("v1", "Endpoints"): {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]},
    ("v1", "LimitRange"): {"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}},
    ("v1", "Namespace"): {},
    ("v1", "Node"): {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}},
    ("v1", "PersistentVolume"): {
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    },
    ("v1", "PersistentVolumeClaim"): {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    },
    ("v1", "Pod"): {"spec": TEMPLATE["spec"]},
    ("v1", "PodTemplate"): {"template": TEMPLATE},
    ("v1", "ReplicationController"): {"spec": {"template": TEMPLATE}},
    ("v1", "ResourceQuota"): {"spec": {"hard": {"pods": "3", "count/deployments.apps": "1"}}},
    ("v1", "Secret"): {"stringData": {"a": "b"}},
    ("v1", "Service"): {"spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}},
    ("apps/v1", "DaemonSet"): {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
    ("apps/v1", "Deployment"): {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
    ("apps/v1", "ReplicaSet"): {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
    ("apps/v1", "StatefulSet"): {"spec": {"selector": SELECTOR, "template": TEMPLATE, "serviceName": "s"}},
    ("autoscaling/v2", "HorizontalPodAutoscaler"): {
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}}
    },
    ("batch/v1", "Job"): {"spec": {"template": ONCE, "selector": SELECTOR, "manualSelector": True}},
    ("batch/v1", "CronJob"): {
        "spec": {"schedule": "*/5 1-3 * jan-mar mon", "jobTemplate": {"spec": {"template": ONCE}}}
    },
    ("discovery.k8s.io/v1", "EndpointSlice"): {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"]}],
        "ports": [{"port": 80}],
    },
    ("networking.k8s.io/v1", "Ingress"): {
        "spec": {
            "rules": [{"host": "a.b", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}]
        }
    },
    ("networking.k8s.io/v1", "NetworkPolicy"): {
        "spec": {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}
    },
    ("policy/v1", "PodDisruptionBudget"): {"spec": {"minAvailable": "50%", "selector": SELECTOR}},
    ("rbac.authorization.k8s.io/v1", "Role"): {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): {
        "roleRef": {"kind": "ClusterRole", "name": "x"},
        "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}],
    },
    ("scheduling.k8s.io/v1", "PriorityClass"): {"value": 10},
    ("storage.k8s.io/v1", "StorageClass"): {"provisioner": "p"},
    ("node.k8s.io/v1", "RuntimeClass"): {"handler": "crun"},
    ("networking.k8s.io/v1", "ServiceCIDR"): {"spec": {"cidrs": ["10.0.0.0/24"]}},
    ("storage.k8s.io/v1", "CSIDriver"): {"spec": {}},
    ("storage.k8s.io/v1", "CSINode"): {"spec": {"drivers": [{"name": "d", "nodeID": "n"}]}},
    ("storage.k8s.io/v1", "VolumeAttributesClass"): {"driverName": "d", "parameters": {"a": "b"}},
    ("storage.k8s.io/v1", "VolumeAttachment"): {
        "spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "p"}}
    },
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema"): {"spec": {"priorityLevelConfiguration": {"name": "exempt"}}},
    ("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration"): {
        "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}}
    },
    ("networking.k8s.io/v1", "IngressClass"): {"spec": {"controller": "a/b"}},
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): {
        "webhooks": [
            {
                "name": "a.b.c",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"service": {"name": "s", "namespace": "n"}},
                "rules": [{"operations": ["CREATE"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["pods"]}],
            }
        ]
    },
}


def made(api_version, kind, body):
    obj = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, **copy.deepcopy(body)}
    if kind not in CLUSTER_SCOPED:
        obj["metadata"]["namespace"] = "ns"
    obj = decode(obj, schema_for(api_version, kind))
    apply_defaults(api_version, kind, obj)
    return obj


def told(errors):
    return [str(one) for one in errors]


@pytest.mark.parametrize("key", GOOD, ids=lambda key: key[1])
def test_a_plain_manifest_is_valid_and_its_defaults_settle(key):
    obj = made(*key, GOOD[key])
    assert told(validate_create(*key, obj)) == []
    assert told(validate_update(*key, copy.deepcopy(obj), obj)) == []
    again = copy.deepcopy(obj)
    apply_defaults(*key, again)
    assert again == obj
    assert unknown_fields(obj, schema_for(*key)) == []
    assert decode(obj, schema_for(*key)) == obj


@pytest.mark.parametrize("key", KINDS, ids=lambda key: f"{key[0]} {key[1]}")
def test_nothing_breaks_on_an_empty_object(key):
    obj = made(*key, {})
    validate_create(*key, obj)
    validate_update(*key, obj, obj)
    assert unknown_fields(obj, schema_for(*key)) == []


def test_every_kind_of_the_table_is_served():
    served = {(one.api_version, one.kind) for one in RESOURCES}
    assert set(KINDS) <= served
    for key in KINDS:
        assert any(registry._hook(*key, name) for name in ("apply_defaults", "validate"))


BAD = [
    ("networking.k8s.io/v1", "IPAddress", {"spec": {}}, "must be a valid IP address"),
    ("apiregistration.k8s.io/v1", "APIService", {"spec": {"group": "g"}}, "spec.version: Required value"),
    ("storage.k8s.io/v1", "VolumeAttachment", {"spec": {}}, "spec.attacher: Required value"),
    ("v1", "ConfigMap", {"data": {"": "x"}}, "data[]: Invalid value"),
    ("v1", "Secret", {"type": "kubernetes.io/tls"}, "data[tls.crt]: Required value"),
    ("v1", "Service", {"spec": {}}, "spec.ports: Required value"),
    (
        "v1",
        "Service",
        {"spec": {"ports": [{"port": 0}]}},
        "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
    ),
    (
        "v1",
        "Service",
        {"spec": {"ports": [{"port": 1}], "type": "X"}},
        'spec.type: Unsupported value: "X": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ),
    ("v1", "PersistentVolumeClaim", {"spec": {}}, "spec.accessModes: Required value"),
    ("v1", "ResourceQuota", {"spec": {"hard": {"foo": "1"}}}, "must be a standard resource for quota"),
    (
        "apps/v1",
        "Deployment",
        {"spec": {"selector": {"matchLabels": {"a": "z"}}, "template": TEMPLATE}},
        "`selector` does not match template `labels`",
    ),
    (
        "apps/v1",
        "Deployment",
        {"spec": {"selector": SELECTOR, "template": TEMPLATE, "replicas": -1}},
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    ),
    (
        "apps/v1",
        "Deployment",
        {"spec": {"selector": SELECTOR, "template": ONCE}},
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ),
    (
        "batch/v1",
        "Job",
        {"spec": {"template": TEMPLATE, "selector": SELECTOR}},
        'supported values: "Never", "OnFailure"',
    ),
    (
        "batch/v1",
        "CronJob",
        {"spec": {"schedule": "61 * * * *", "jobTemplate": {"spec": {"template": ONCE}}}},
        "spec.schedule: Invalid value",
    ),
    ("networking.k8s.io/v1", "Ingress", {"spec": {}}, "either `defaultBackend` or `rules` must be specified"),
    ("policy/v1", "PodDisruptionBudget", {"spec": {"minAvailable": 1, "maxUnavailable": 1}}, "cannot be both set"),
    (
        "rbac.authorization.k8s.io/v1",
        "Role",
        {"rules": [{"resources": ["pods"], "verbs": ["get"]}]},
        "resource rules must supply at least one api group",
    ),
    (
        "scheduling.k8s.io/v1",
        "PriorityClass",
        {"value": 2_000_000_000},
        "maximum allowed value of a user defined priority is 1000000000",
    ),
    (
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        {"spec": {"minReplicas": 5, "maxReplicas": 2, "scaleTargetRef": {"kind": "a", "name": "b"}}},
        "must be greater than or equal to `minReplicas`",
    ),
]


@pytest.mark.parametrize(
    ("api_version", "kind", "body", "message"), BAD, ids=[f"{row[1]}-{index}" for index, row in enumerate(BAD)]
)
def test_what_is_wrong_is_told_in_upstreams_words(api_version, kind, body, message):
    errors = told(validate_create(api_version, kind, made(api_version, kind, body)))
    assert any(message in one for one in errors), errors


def changed(key, change):
    old = made(*key, GOOD[key])
    new = copy.deepcopy(old)
    change(new)
    return told(validate_update(*key, new, old))


def test_what_may_not_change():
    assert any(
        "spec.selector: Invalid value" in one and one.endswith("field is immutable")
        for one in changed(
            ("apps/v1", "Deployment"), lambda new: new["spec"].update(selector={"matchLabels": {"a": "b", "c": "d"}})
        )
    )
    assert any(
        "updates to statefulset spec for fields other than" in one
        for one in changed(("apps/v1", "StatefulSet"), lambda new: new["spec"].update(serviceName="other"))
    )
    assert any(
        "value: Forbidden: may not be changed in an update." in one
        for one in changed(("scheduling.k8s.io/v1", "PriorityClass"), lambda new: new.update(value=11))
    )
    assert any(
        "roleRef: Invalid value" in one and "cannot change roleRef" in one
        for one in changed(
            ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"), lambda new: new["roleRef"].update(name="other")
        )
    )
    assert any(
        "spec is immutable after creation" in one
        for one in changed(
            ("v1", "PersistentVolumeClaim"), lambda new: new["spec"].update(accessModes=["ReadOnlyMany"])
        )
    )


def test_a_suspended_job_may_still_be_sent_elsewhere():
    key = ("batch/v1", "Job")
    assert changed(key, lambda new: new["spec"]["template"]["spec"].update(nodeSelector={"a": "b"})) != []
    old = made(*key, {"spec": {**GOOD[key]["spec"], "suspend": True}})
    new = copy.deepcopy(old)
    new["spec"]["template"]["spec"]["nodeSelector"] = {"a": "b"}
    assert told(validate_update(*key, new, old)) == []
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    assert any("spec.template" in one for one in told(validate_update(*key, new, old)))


def test_immutable_config_maps_and_secrets_keep_their_data():
    for kind in ("ConfigMap", "Secret"):
        old = {"metadata": {"name": "x", "namespace": "ns"}, "data": {"a": "eA=="}, "immutable": True}
        new = {**old, "data": {"a": "eQ=="}, "immutable": False}
        errors = told(validate_update("v1", kind, new, old))
        assert "data: Forbidden: field is immutable when `immutable` is set" in errors
        assert "immutable: Forbidden: field is immutable when `immutable` is set" in errors
