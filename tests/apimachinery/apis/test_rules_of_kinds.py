"""What is wrong with objects of the smaller kinds, in upstream's words: a row per rule."""

import copy

import pytest

from apimachinery.apis.registry import apply_defaults, validate_create, validate_update

SELECTOR = {"matchLabels": {"a": "b"}}
POD = {"containers": [{"name": "c", "image": "i"}]}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": POD}
BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
DEVICE = {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}
SLICE = {
    "driver": "d.example.com",
    "nodeName": "n",
    "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
    "devices": [{"name": "d"}],
}
NAMESPACED = {
    "DaemonSet",
    "Deployment",
    "Endpoints",
    "EndpointSlice",
    "Event",
    "HorizontalPodAutoscaler",
    "Ingress",
    "Job",
    "LimitRange",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "PodTemplate",
    "ReplicationController",
    "ResourceClaim",
    "ResourceQuota",
    "Service",
    "StatefulSet",
    "CSIStorageCapacity",
}


def made(api_version, kind, body):
    metadata = {"name": "x", "uid": "u", **({"namespace": "ns"} if kind in NAMESPACED else {})}
    obj = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **copy.deepcopy(body)}
    apply_defaults(api_version, kind, obj)
    return obj


def deployment(**spec):
    return {"spec": {"selector": SELECTOR, "template": TEMPLATE, **spec}}


def job(**spec):
    once = {"metadata": {}, "spec": {**POD, "restartPolicy": "Never"}}
    return {"spec": {"template": once, "selector": {}, "manualSelector": True, **spec}}


def failing(**rule):
    return job(podFailurePolicy={"rules": [{"action": "FailJob", **rule}]})


def service(**spec):
    return {"spec": {"ports": [{"port": 80}], **spec}}


def scaler(**spec):
    return {"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "a", "name": "b"}, **spec}}


def ingress(path="/", **rule):
    http = {"paths": [{"path": path, "pathType": "Prefix", "backend": BACKEND}]}
    return {"spec": {"rules": [{"http": http, **rule}]}}


def policy(**rule):
    return {"spec": {"podSelector": {}, "ingress": [rule]}}


def parameters(**changes):
    return {"spec": {"controller": "a.b/c", "parameters": {"kind": "k", "name": "n", **changes}}}


def slice_of(address, kind="IPv4", **more):
    return {"addressType": kind, "endpoints": [{"addresses": [address]}], "ports": [{"port": 80, **more}]}


def new_event(**changes):
    event = {
        "regarding": {"namespace": "ns"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Normal",
        "reportingController": "a.b/c",
        "reportingInstance": "i",
        "action": "A",
        "reason": "R",
    }
    return {key: value for key, value in {**event, **changes}.items() if value is not None}


def volume(**spec):
    base = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
    return {"spec": {**base, **({} if "csi" in spec else {"hostPath": {"path": "/x"}}), **spec}}


def claim(**spec):
    return {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}}


def quota(hard=None, **spec):
    return {"spec": {"hard": hard or {"pods": "1"}, **spec}}


def limit(**item):
    return {"spec": {"limits": [item]}}


APPS, BATCH, NET, STORE, DRA = "apps/v1", "batch/v1", "networking.k8s.io/v1", "storage.k8s.io/v1", "resource.k8s.io/v1"
V2, PDB, SLICES, EVENTS = "autoscaling/v2", "policy/v1", "discovery.k8s.io/v1", "events.k8s.io/v1"
BAD = [
    # workloads
    (
        APPS,
        "Deployment",
        deployment(selector={}),
        "spec.selector: Invalid value: {}: empty selector is invalid for deploy",
    ),
    (APPS, "DaemonSet", deployment(selector={}), "empty selector is invalid for daemonset"),
    (APPS, "StatefulSet", deployment(selector={}), "empty selector is invalid for statefulset"),
    (
        APPS,
        "Deployment",
        deployment(template={**TEMPLATE, "spec": {**POD, "activeDeadlineSeconds": 3}}),
        "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported",
    ),
    (
        APPS,
        "Deployment",
        deployment(strategy={"rollingUpdate": {"maxUnavailable": "101%"}}),
        'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
    ),
    (
        APPS,
        "StatefulSet",
        deployment(podManagementPolicy="X"),
        "spec.podManagementPolicy: Invalid value: \"X\": must be 'OrderedReady' or 'Parallel'",
    ),
    (
        APPS,
        "StatefulSet",
        deployment(updateStrategy={"rollingUpdate": {"maxUnavailable": 0}}),
        "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0",
    ),
    ("v1", "PodTemplate", {"template": {"spec": {}}}, "template.spec.containers: Required value"),
    (
        "v1",
        "ReplicationController",
        {"spec": {"template": {**TEMPLATE, "spec": {**POD, "activeDeadlineSeconds": 3}}}},
        "activeDeadlineSeconds in ReplicationController is not Supported",
    ),
    # jobs
    (BATCH, "Job", job(managedBy="x"), 'spec.managedBy: Invalid value: "x": must be a domain-prefixed path (such as'),
    (
        BATCH,
        "Job",
        job(podReplacementPolicy="X"),
        'spec.podReplacementPolicy: Unsupported value: "X": supported values',
    ),
    (BATCH, "Job", job(successPolicy={"rules": []}), "spec.successPolicy: Invalid value"),
    (
        BATCH,
        "Job",
        job(completionMode="Indexed", completions=2, backoffLimitPerIndex=1, maxFailedIndexes=3),
        "spec.maxFailedIndexes: Invalid value: 3: must be less than or equal to completions",
    ),
    (
        BATCH,
        "Job",
        job(completionMode="Indexed", completions=2, successPolicy={"rules": [{}]}),
        "spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be",
    ),
    (
        BATCH,
        "Job",
        failing(onExitCodes={"operator": "In", "values": [0]}),
        "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator",
    ),
    (BATCH, "Job", failing(onExitCodes={"operator": "X", "values": [1]}), 'operator: Unsupported value: "X"'),
    (BATCH, "Job", failing(onExitCodes={"operator": "In", "values": [2, 1]}), "must be ordered"),
    (
        BATCH,
        "Job",
        failing(onExitCodes={"operator": "In", "values": [1], "containerName": "z"}),
        "must be one of the container or initContainer names in the pod template",
    ),
    (
        BATCH,
        "Job",
        failing(action="FailIndex", onPodConditions=[{"type": "A"}]),
        "requires the backoffLimitPerIndex to",
    ),
    (
        BATCH,
        "Job",
        job(
            template={"spec": {**POD, "restartPolicy": "OnFailure"}},
            podFailurePolicy={"rules": [{"action": "Count", "onPodConditions": [{"type": "A"}]}]},
        ),
        'restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified',
    ),
    (BATCH, "Job", job(manualSelector=False, selector={"matchLabels": {"a": "b"}}), "`selector` not auto-generated"),
    # autoscaling, policy
    (V2, "HorizontalPodAutoscaler", scaler(metrics=[{"type": "X"}]), 'spec.metrics[0].type: Unsupported value: "X"'),
    (
        V2,
        "HorizontalPodAutoscaler",
        scaler(metrics=[{"type": "Pods"}]),
        "spec.metrics[0].pods: Required value: must populate information for the given metric source",
    ),
    (
        V2,
        "HorizontalPodAutoscaler",
        scaler(metrics=[{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]),
        "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a",
    ),
    (
        V2,
        "HorizontalPodAutoscaler",
        scaler(metrics=[{**CPU, "external": {}}]),
        "spec.metrics[0].external: Forbidden: must populate the given metric source only",
    ),
    (
        V2,
        "HorizontalPodAutoscaler",
        scaler(behavior={"scaleUp": {"stabilizationWindowSeconds": 3601}}),
        "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
    ),
    (
        V2,
        "HorizontalPodAutoscaler",
        scaler(behavior={"scaleDown": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 1}]}}),
        "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero",
    ),
    (PDB, "PodDisruptionBudget", {"spec": {"minAvailable": "101%"}}, "must not be greater than 100%"),
    # network
    (NET, "Ingress", ingress(host="1.2.3.4"), "must be a DNS name, not an IP address"),
    (
        NET,
        "Ingress",
        ingress(host="a.*.b"),
        'spec.rules[0].host: Invalid value: "a.*.b": a wildcard DNS-1123 subdomain',
    ),
    (
        NET,
        "Ingress",
        ingress("/a//b"),
        "spec.rules[0].http.paths[0].path: Invalid value: \"/a//b\": must not contain '//'",
    ),
    (NET, "Ingress", ingress("/a/.."), "cannot end with '/..'"),
    (NET, "Ingress", {"spec": {"defaultBackend": BACKEND, "tls": [{"hosts": ["-"]}]}}, "spec.tls[0].hosts[0]: Invalid"),
    (NET, "IngressClass", {"spec": {"controller": "x"}}, "spec.controller: Invalid value"),
    (
        NET,
        "IngressClass",
        parameters(scope="Namespace"),
        "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
    ),
    (NET, "IngressClass", parameters(namespace="n"), "namespace: Forbidden: `parameters.scope` is set to 'Cluster'"),
    (
        NET,
        "NetworkPolicy",
        policy(ports=[{"port": 80, "endPort": 79}]),
        "spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`",
    ),
    (NET, "NetworkPolicy", policy(ports=[{"port": "http", "endPort": 79}]), "may not be specified when `port` is non-"),
    (
        NET,
        "NetworkPolicy",
        policy(**{"from": [{"ipBlock": {"cidr": "10.0.0.0/24", "except": ["10.0.0.0/24"]}}]}),
        'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "10.0.0.0/24": must be a strict subset of `cidr`',
    ),
    (SLICES, "EndpointSlice", slice_of("127.0.0.1"), "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
    (
        SLICES,
        "EndpointSlice",
        slice_of("fe80::1", "IPv6"),
        "may not be in the link-local range (169.254.0.0/16, fe80::",
    ),
    (
        SLICES,
        "EndpointSlice",
        slice_of("1::2"),
        'endpoints[0].addresses[0]: Invalid value: "1::2": must be a valid IPv4',
    ),
    ("v1", "Endpoints", {"subsets": [{"addresses": [{"ip": "0.0.0.0"}]}]}, "may not be unspecified (0.0.0.0 or ::)"),
    # services
    ("v1", "Service", service(loadBalancerClass="a.b/c"), "spec.loadBalancerClass: Forbidden: may only be used when"),
    (
        "v1",
        "Service",
        service(loadBalancerSourceRanges=["1.2.3.0/24"]),
        "loadBalancerSourceRanges: Forbidden: may only be",
    ),
    (
        "v1",
        "Service",
        service(type="LoadBalancer", loadBalancerSourceRanges=["x"]),
        "loadBalancerSourceRanges[0]: Invalid",
    ),
    (
        "v1",
        "Service",
        service(healthCheckNodePort=30000),
        "may only be set when `type` is 'LoadBalancer' and `external",
    ),
    ("v1", "Service", service(trafficDistribution="X"), 'spec.trafficDistribution: Unsupported value: "X"'),
    (
        "v1",
        "Service",
        service(externalIPs=["127.0.0.1"]),
        'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be',
    ),
    (
        "v1",
        "Service",
        service(clusterIPs=["10.0.0.1", "10.0.0.2"]),
        "may specify no more than one IP for each IP family",
    ),
    ("v1", "Service", service(ipFamilies=["IPv4", "IPv4"]), 'spec.ipFamilies[1]: Duplicate value: "IPv4"'),
    # events
    ("v1", "Event", {"involvedObject": {"kind": "Pod"}}, 'involvedObject.namespace: Invalid value: "": does not match'),
    (EVENTS, "Event", new_event(eventTime=None), "eventTime: Required value"),
    (EVENTS, "Event", new_event(type="X"), 'type: Invalid value: "": has invalid value: X'),
    (EVENTS, "Event", new_event(deprecatedCount=1), 'count: Invalid value: "": needs to be unset'),
    (EVENTS, "Event", new_event(action=None), "action: Required value"),
    (EVENTS, "Event", new_event(note="x" * 1025), "can have at most 1024 characters"),
    # storage
    (
        "v1",
        "PersistentVolume",
        volume(capacity={"storage": "0"}),
        'spec.capacity[storage]: Invalid value: "0": must be gr',
    ),
    ("v1", "PersistentVolume", volume(csi={"driver": "d"}), "spec.csi.volumeHandle: Required value"),
    ("v1", "PersistentVolume", volume(nodeAffinity={"required": {}}), "must have at least one node selector term"),
    (
        "v1",
        "PersistentVolume",
        volume(hostPath={"path": "/"}, persistentVolumeReclaimPolicy="Recycle"),
        "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
    ),
    (
        "v1",
        "PersistentVolumeClaim",
        claim(resources={"requests": {"storage": "0"}}),
        'spec.resources[storage]: Invalid value: "0": must be greater than zero',
    ),
    (
        "v1",
        "PersistentVolumeClaim",
        claim(dataSource={"kind": "X", "name": "n"}),
        "must be 'PersistentVolumeClaim' when referencing the default apiGroup",
    ),
    (STORE, "StorageClass", {"provisioner": "-"}, 'provisioner: Invalid value: "-": name part must consist of'),
    (
        STORE,
        "CSIDriver",
        {"spec": {"tokenRequests": [{"audience": "a", "expirationSeconds": 1}]}},
        "less than 10 minutes",
    ),
    (STORE, "CSINode", {"spec": {"drivers": [{"name": "d"}]}}, "spec.drivers[0].nodeID: Required value"),
    (STORE, "CSIStorageCapacity", {}, "storageClassName: Required value"),
    (
        STORE,
        "CSIStorageCapacity",
        {"storageClassName": "s", "capacity": "-1"},
        'capacity: Invalid value: "-1": must be gr',
    ),
    (
        STORE,
        "VolumeAttachment",
        {
            "spec": {
                "attacher": "a",
                "nodeName": "n",
                "source": {"persistentVolumeName": "p", "inlineVolumeSpec": {"hostPath": {"path": "/x"}}},
            }
        },
        "must specify exactly one of inlineVolumeSpec and persistentVolumeName",
    ),
    # limits, quotas, classes
    (
        "v1",
        "LimitRange",
        limit(type="Pod", default={"cpu": "1"}),
        "default: Forbidden: may not be specified when `type` is",
    ),
    (
        "v1",
        "LimitRange",
        limit(type="PersistentVolumeClaim"),
        "either minimum or maximum storage value is required, but",
    ),
    ("v1", "LimitRange", limit(type="Container", maxLimitRequestRatio={"cpu": "500m"}), "ratio 500m is less than 1"),
    ("v1", "ResourceQuota", quota({"pods": "500m"}), 'spec.hard[pods]: Invalid value: "500m": must be an integer'),
    ("v1", "ResourceQuota", quota(scopes=["BestEffort", "NotBestEffort"]), "conflicting scopes"),
    ("v1", "ResourceQuota", quota({"cpu": "1"}, scopes=["BestEffort"]), "unsupported scope applied to resource"),
    (
        "v1",
        "ResourceQuota",
        quota(scopeSelector={"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}),
        "scopeSelector.matchExpressions[0].values: Required value: must be at least one value when `operator` is",
    ),
    (
        "node.k8s.io/v1",
        "RuntimeClass",
        {"handler": "h", "overhead": {"podFixed": {"cpu": "-1"}}},
        "overhead.podFixed.limits[cpu]: Invalid value",
    ),
    # devices
    (DRA, "DeviceClass", {"spec": {"selectors": [{}]}}, "spec.selectors[0].cel: Required value"),
    (DRA, "DeviceClass", {"spec": {"config": [{"opaque": {"driver": "d"}}]}}, "config[0].opaque.parameters: Required"),
    (
        DRA,
        "ResourceSlice",
        {"spec": {**SLICE, "allNodes": True}},
        "exactly one of `nodeName`, `nodeSelector`, `allNodes`",
    ),
    (DRA, "ResourceSlice", {"spec": {**SLICE, "devices": [{"name": "D"}]}}, 'spec.devices[0].name: Invalid value: "D"'),
    (
        DRA,
        "ResourceSlice",
        {"spec": {**SLICE, "devices": [{"name": "d"}] * 129}},
        "Too many: 129: must have at most 128",
    ),
    (
        DRA,
        "ResourceSlice",
        {"spec": {**SLICE, "devices": [{"name": "d", "attributes": {"a-b": {"int": 1}}}]}},
        'spec.devices[0].attributes[a-b]: Invalid value: "a-b": a valid C identifier must start with',
    ),
    (
        DRA,
        "ResourceClaim",
        {"spec": {"devices": {"requests": [{"name": "r"}]}}},
        "spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required",
    ),
    (
        DRA,
        "ResourceClaim",
        {"spec": {"devices": {**DEVICE, "constraints": [{"requests": ["z"], "matchAttribute": "a/b"}]}}},
        'spec.devices.constraints[0].requests[0]: Not found: "z"',
    ),
]


@pytest.mark.parametrize(
    ("api_version", "kind", "body", "message"), BAD, ids=[f"{row[1]}-{index}" for index, row in enumerate(BAD)]
)
def test_what_is_wrong(api_version, kind, body, message):
    errors = [str(one) for one in validate_create(api_version, kind, made(api_version, kind, body))]
    assert any(message in one for one in errors), errors


GOOD = [
    (BATCH, "Job", failing(onExitCodes={"operator": "In", "values": [1, 2], "containerName": "c"})),
    (BATCH, "Job", job(completionMode="Indexed", completions=2, successPolicy={"rules": [{"succeededCount": 1}]})),
    (V2, "HorizontalPodAutoscaler", scaler(metrics=[CPU], behavior={"scaleUp": {"selectPolicy": "Min"}})),
    (NET, "Ingress", ingress(host="*.a.b")),
    (NET, "IngressClass", parameters(scope="Namespace", namespace="n")),
    (NET, "NetworkPolicy", policy(ports=[{"port": 80, "endPort": 80}], **{"from": [{"ipBlock": {"cidr": "::/0"}}]})),
    (SLICES, "EndpointSlice", slice_of("a.example.com", "FQDN", appProtocol="kubernetes.io/h2c")),
    (
        "v1",
        "Service",
        service(type="LoadBalancer", loadBalancerSourceRanges=["1.2.3.0/24 "], loadBalancerClass="a.b/c"),
    ),
    ("v1", "Event", {"involvedObject": {"kind": "Pod", "namespace": "ns"}}),
    (EVENTS, "Event", new_event()),
    ("v1", "PersistentVolume", volume(csi={"driver": "d.example.com", "volumeHandle": "h"})),
    ("v1", "PersistentVolumeClaim", claim(dataSourceRef={"kind": "X", "apiGroup": "g", "name": "n"})),
    ("v1", "LimitRange", limit(type="PersistentVolumeClaim", max={"storage": "1Gi"})),
    ("v1", "ResourceQuota", quota(scopes=["BestEffort"])),
    (DRA, "ResourceSlice", {"spec": SLICE}),
    (DRA, "ResourceClaim", {"spec": {"devices": {**DEVICE, "constraints": [{"matchAttribute": "a/b"}]}}}),
]


@pytest.mark.parametrize(("api_version", "kind", "body"), GOOD, ids=[f"{row[1]}-{i}" for i, row in enumerate(GOOD)])
def test_what_is_right(api_version, kind, body):
    assert [str(one) for one in validate_create(api_version, kind, made(api_version, kind, body))] == []


FIXED = [
    (
        STORE,
        "CSIStorageCapacity",
        {"storageClassName": "s"},
        {"storageClassName": "t"},
        "storageClassName: Invalid value",
    ),
    (
        STORE,
        "CSINode",
        {"spec": {"drivers": [{"name": "d", "nodeID": "a"}]}},
        {"spec": {"drivers": [{"name": "d", "nodeID": "b"}]}},
        "spec.drivers[0]: Invalid value",
    ),
    (DRA, "ResourceClaim", {"spec": {"devices": DEVICE}}, {"spec": {}}, "spec: Invalid value"),
    (DRA, "ResourceSlice", {"spec": SLICE}, {"spec": {**SLICE, "nodeName": "m"}}, "spec.nodeName: Invalid value"),
    ("v1", "PersistentVolume", volume(), volume(volumeMode="Block"), "volumeMode: Invalid value"),
    (EVENTS, "Event", new_event(), new_event(action="B"), "action: Invalid value"),
    (
        "v1",
        "Service",
        service(type="LoadBalancer", loadBalancerClass="a.b/c"),
        service(type="LoadBalancer", loadBalancerClass="a.b/d"),
        'spec.loadBalancerClass: Invalid value: "a.b/d": may not change once set',
    ),
]


@pytest.mark.parametrize(("api_version", "kind", "old", "new", "message"), FIXED, ids=[row[1] for row in FIXED])
def test_what_may_not_change(api_version, kind, old, new, message):
    before, after = made(api_version, kind, old), made(api_version, kind, new)
    errors = [str(one) for one in validate_update(api_version, kind, after, before)]
    assert any(message in one for one in errors), errors
