"""Each kind through all its verbs, as upstream's "should support … API operations" conformance tests go.

create, get, list (in all namespaces, by label), watch, merge patch, apply, update, status, scale, dry run, delete and
delete of a collection: the same for every kind that is stored.
"""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apimachinery.resources import RESOURCES, Resource
from tests.apiserver.conftest import Api, Watch

Obj = dict[str, Any]
STORED = [
    one for one in RESOURCES if "deletecollection" in one.verbs and (one.version, one.plural) != ("v1", "namespaces")
]
LABELS = {"a": "b"}
SELECTOR = {"matchLabels": LABELS}
POD = {"containers": [{"name": "c", "image": "i:1"}]}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": POD}
ONCE = {"metadata": {"labels": LABELS}, "spec": {**POD, "restartPolicy": "Never"}}
RULE = {"operations": ["CREATE"], "apiGroups": ["none.example.com"], "apiVersions": ["*"], "resources": ["nothings"]}
WEBHOOK = {
    "name": "a.b.c",
    "admissionReviewVersions": ["v1"],
    "sideEffects": "None",
    "clientConfig": {"service": {"name": "s", "namespace": "n"}},
    "rules": [RULE],
}
ROLE = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
TARGET = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
MUTATION = {
    "patchType": "ApplyConfiguration",
    "applyConfiguration": {"expression": "Object{metadata: Object.metadata{labels: {'x': 'y'}}}"},
}
DEVICE = {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu.example.com"}}]}


def signing_request() -> str:
    """Return a request as `spec.request` has it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ops")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()


BODIES: dict[str, Obj] = {
    "Endpoints": {"subsets": [{"addresses": [{"ip": "10.1.0.1"}], "ports": [{"port": 80}]}]},
    "Event": {"involvedObject": {"kind": "Pod", "name": "p"}, "reason": "R", "message": "m", "type": "Normal"},
    "LimitRange": {"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}},
    "PersistentVolume": {
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    },
    "PersistentVolumeClaim": {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    },
    "Pod": {"spec": POD},
    "PodTemplate": {"template": TEMPLATE},
    "ReplicationController": {"spec": {"template": TEMPLATE, "selector": LABELS, "replicas": 0}},
    "ResourceQuota": {"spec": {"hard": {"count/nothings.example.com": "3"}}},
    "Service": {"spec": {"ports": [{"port": 80}], "selector": LABELS}},
    "ControllerRevision": {"revision": 1, "data": {"a": 1}},
    "DaemonSet": {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
    "Deployment": {"spec": {"selector": SELECTOR, "template": TEMPLATE, "replicas": 0}},
    "ReplicaSet": {"spec": {"selector": SELECTOR, "template": TEMPLATE, "replicas": 0}},
    "StatefulSet": {"spec": {"selector": SELECTOR, "template": TEMPLATE, "serviceName": "s", "replicas": 0}},
    "HorizontalPodAutoscaler": {"spec": {"maxReplicas": 3, "scaleTargetRef": TARGET}},
    "Job": {"spec": {"template": ONCE, "suspend": True}},
    "CronJob": {"spec": {"schedule": "*/5 * * * *", "suspend": True, "jobTemplate": {"spec": {"template": ONCE}}}},
    "EndpointSlice": {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.1.0.1"]}],
        "ports": [{"name": "x", "port": 80}],
    },
    "Ingress": {"spec": {"defaultBackend": BACKEND}},
    "IngressClass": {"spec": {"controller": "a.example.com/b"}},
    "NetworkPolicy": {"spec": {"podSelector": {}}},
    "PodDisruptionBudget": {"spec": {"minAvailable": "50%", "selector": SELECTOR}},
    "Role": {"rules": ROLE},
    "ClusterRole": {"rules": ROLE},
    "RoleBinding": {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}},
    "ClusterRoleBinding": {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}},
    "PriorityClass": {"value": 10},
    "StorageClass": {"provisioner": "p.example.com"},
    "RuntimeClass": {"handler": "crun"},
    "ServiceCIDR": {"spec": {"cidrs": ["192.168.77.0/24"]}},
    "IPAddress": {"spec": {"parentRef": {"resource": "services", "namespace": "n", "name": "s"}}},
    "CSIDriver": {"spec": {"attachRequired": False}},
    "CSINode": {"spec": {"drivers": []}},
    "CSIStorageCapacity": {"storageClassName": "s"},
    "VolumeAttributesClass": {"driverName": "d.example.com", "parameters": {"a": "b"}},
    "VolumeAttachment": {
        "spec": {"attacher": "a.example.com", "nodeName": "n", "source": {"persistentVolumeName": "p"}}
    },
    "FlowSchema": {"spec": {"priorityLevelConfiguration": {"name": "exempt"}, "matchingPrecedence": 9000}},
    "PriorityLevelConfiguration": {
        "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}, "nominalConcurrencyShares": 2}}
    },
    "ValidatingWebhookConfiguration": {"webhooks": [WEBHOOK]},
    "MutatingWebhookConfiguration": {"webhooks": [WEBHOOK]},
    "ValidatingAdmissionPolicy": {
        "spec": {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}]}
    },
    "ValidatingAdmissionPolicyBinding": {"spec": {"policyName": "none", "validationActions": ["Deny"]}},
    "MutatingAdmissionPolicy": {
        "spec": {
            "matchConstraints": {"resourceRules": [RULE]},
            "mutations": [MUTATION],
            "reinvocationPolicy": "Never",
        }
    },
    "MutatingAdmissionPolicyBinding": {"spec": {"policyName": "none"}},
    "APIService": {
        "spec": {"groupPriorityMinimum": 2000, "versionPriority": 15, "service": {"name": "s", "namespace": "n"}}
    },
    "CertificateSigningRequest": {
        "spec": {
            "request": signing_request(),
            "signerName": "example.com/mine",
            "usages": ["digital signature", "client auth"],
        }
    },
    "DeviceClass": {"spec": {"selectors": [{"cel": {"expression": "device.driver == 'a.example.com'"}}]}},
    "ResourceClaim": {"spec": {"devices": DEVICE}},
    "ResourceClaimTemplate": {"spec": {"spec": {"devices": DEVICE}}},
    "ResourceSlice": {
        "spec": {
            "driver": "gpu.example.com",
            "nodeName": "n",
            "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
            "devices": [{"name": "d"}],
        }
    },
}
EVENT = {
    "regarding": {"kind": "Pod", "name": "p"},
    "reason": "R",
    "action": "A",
    "note": "m",
    "type": "Normal",
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reportingController": "example.com/c",
    "reportingInstance": "i",
}
NAMES = {"IPAddress": "192.168.78.{}", "APIService": "v{}.ops.example.com"}
CRD_VERSION = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}


def manifest(resource: Resource, number: int, labels: Obj, space: str | None) -> Obj:
    """Return the smallest useful object of a kind."""
    kind = resource.kind
    body = copy.deepcopy(EVENT if resource.group == "events.k8s.io" else BODIES.get(kind, {}))
    name = NAMES.get(kind, "ops-{}").format(number)
    if kind == "CustomResourceDefinition":
        names = {"plural": f"ops{number}s", "singular": f"ops{number}", "kind": f"Ops{number}"}
        body = {"spec": {"group": "ops.example.com", "scope": "Cluster", "names": names, "versions": [CRD_VERSION]}}
        name = f"ops{number}s.ops.example.com"
    for about in ("involvedObject", "regarding"):
        if about in body:
            body[about]["namespace"] = space
    if kind == "APIService":
        body["spec"] |= {"group": "ops.example.com", "version": f"v{number}"}
    if kind == "ServiceCIDR":
        body["spec"]["cidrs"] = [f"192.168.{number}.0/24"]
    return {
        "apiVersion": resource.api_version,
        "kind": kind,
        "metadata": {"name": name, "labels": labels},
        **body,
    }


def _next(watch: Watch, name: str) -> tuple[str, Obj]:
    """Return the next event of an object; the server's own writes (conditions, finalizers) come between."""
    while True:
        kind, obj = watch.next()
        if kind != "BOOKMARK" and obj["metadata"]["name"] == name:
            return kind, obj


def _until(watch: Watch, name: str, kind: str, annotation: str = "") -> Obj:
    while True:
        found, obj = _next(watch, name)
        if found == kind and (not annotation or (obj["metadata"].get("annotations") or {}).get(annotation)):
            return obj


@pytest.mark.live
@pytest.mark.parametrize("resource", STORED, ids=lambda one: f"{one.plural}.{one.group}/{one.version}")
def test_each_kind_goes_through_all_its_verbs(api: Api, resource: Resource) -> None:
    space = f"ops-{resource.plural}-{resource.version}"[:60] if resource.namespaced else None
    if space:
        api.namespace(space)
    marks = {"ops": f"{resource.plural}-{resource.version}"}
    select = f"?labelSelector=ops%3D{marks['ops']}"
    everywhere = resource.path(None)
    collection = resource.path(space)
    status, first = api.json("GET", everywhere + select)
    assert (status, first["kind"], first["items"]) == (200, resource.list_kind, [])
    watch = api.watch(f"{everywhere}{select}&watch=true&resourceVersion={first['metadata']['resourceVersion']}")
    with watch:
        one = manifest(resource, 81, marks, space)
        name = one["metadata"]["name"]
        path = f"{collection}/{name}"
        status, dry = api.json("POST", collection + "?dryRun=All", one)
        assert status == 201, dry
        assert api.json("GET", path)[0] == 404
        status, made = api.json("POST", collection, one)
        assert (status, made["kind"], made["metadata"]["name"]) == (201, resource.kind, name), made
        assert made["metadata"]["uid"] != dry["metadata"]["uid"]
        status, again = api.json("POST", collection, one)
        assert (status, again["reason"]) == (409, "AlreadyExists")
        assert _next(watch, name)[0] == "ADDED"
        status, got = api.json("GET", path)
        assert (status, got["metadata"]["uid"]) == (200, made["metadata"]["uid"])
        for where in {everywhere, collection}:
            items = api.json("GET", where + select)[1]["items"]
            assert [item["metadata"]["uid"] for item in items] == [made["metadata"]["uid"]]
        patch = {"metadata": {"annotations": {"patched": "true"}}}
        status, patched = api.json("PATCH", path, patch, "application/merge-patch+json")
        assert (status, patched["metadata"]["annotations"]["patched"]) == (200, "true"), patched
        applied = {**patch, "apiVersion": one["apiVersion"], "kind": one["kind"]}
        applied["metadata"] = {"name": name, "annotations": {"applied": "true"}}
        apply = "application/apply-patch+yaml"
        status, owned = api.json("PATCH", path + "?fieldManager=ops", applied, apply)
        assert (status, owned["metadata"]["annotations"]["applied"]) == (200, "true"), owned
        managers = [row["manager"] for row in owned["metadata"]["managedFields"] if row["operation"] == "Apply"]
        assert managers == ["ops"]
        got = api.json("GET", path)[1]
        got["metadata"]["annotations"]["updated"] = "true"
        status, updated = api.json("PUT", path, got)
        if status == 409:  # A condition of the server's own came between.
            got["metadata"]["resourceVersion"] = api.json("GET", path)[1]["metadata"]["resourceVersion"]
            status, updated = api.json("PUT", path, got)
        assert (status, updated["metadata"]["annotations"]["updated"]) == (200, "true"), updated
        stale = {**got, "metadata": {**got["metadata"], "resourceVersion": made["metadata"]["resourceVersion"]}}
        assert api.json("PUT", path, stale)[0] == 409
        _until(watch, name, "MODIFIED", "updated")
        if "status" in resource.subresources:
            _status(api, resource, path)
        if "scale" in resource.subresources:
            _scale(api, path)
        _dry_runs(api, resource, path, collection + select)
        table = api.raw("GET", collection + select, Accept="application/json;as=Table;v=v1;g=meta.k8s.io")[2]
        assert json.loads(table)["kind"] == "Table"
        assert api.json("DELETE", path + "?gracePeriodSeconds=0&propagationPolicy=Background")[0] in (200, 202)
        two = manifest(resource, 82, marks, space)
        assert api.json("POST", collection, two)[0] == 201
        status, gone = api.json("DELETE", collection + select + "&gracePeriodSeconds=0")
        assert status == 200, gone
        assert gone["kind"] == resource.list_kind
        _finalize(api, everywhere + select)
        assert _until(watch, two["metadata"]["name"], "DELETED")["metadata"]["labels"] == marks
        assert api.json("GET", everywhere + select)[1]["items"] == []


def _dry_runs(api: Api, resource: Resource, path: str, listing: str) -> None:
    """No write that is only tried leaves a trace."""
    before = api.json("GET", path)[1]
    merge, apply = "application/merge-patch+json", "application/apply-patch+yaml"
    tried = {"metadata": {"annotations": {"tried": "true"}}}
    named = {"metadata": {**tried["metadata"], "name": before["metadata"]["name"]}}
    applied = {"apiVersion": resource.api_version, "kind": resource.kind, **named}
    changed = {**before, "metadata": {**before["metadata"], **tried["metadata"]}}
    writes = [
        ("PATCH", path + "?dryRun=All", tried, merge),
        ("PATCH", path + "?dryRun=All&fieldManager=trier", applied, apply),
        ("PUT", path + "?dryRun=All", changed, "application/json"),
        *(("PATCH", f"{path}/status?dryRun=All", tried, merge) for one in resource.subresources if one == "status"),
    ]
    for method, where, body, kind in writes:
        status, answer = api.json(method, where, body, kind)
        if status == 409:  # A condition of the server's own came between.
            body["metadata"]["resourceVersion"] = api.json("GET", path)[1]["metadata"]["resourceVersion"]
            status, answer = api.json(method, where, body, kind)
        assert (status, answer["metadata"]["annotations"]["tried"]) == (200, "true"), answer
    assert api.json("DELETE", path + "?dryRun=All&gracePeriodSeconds=0")[0] == 200
    assert api.json("DELETE", listing + "&dryRun=All")[0] == 200
    after = api.json("GET", path)[1]["metadata"]
    assert "tried" not in (after.get("annotations") or {})
    assert "deletionTimestamp" not in after


def _status(api: Api, resource: Resource, path: str) -> None:
    status, got = api.json("GET", path + "/status")
    assert (status, got["kind"]) == (200, resource.kind)
    patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": got.get("status") or {}}
    patch["status"].pop("conditions", None)
    status, patched = api.json("PATCH", path + "/status", patch, "application/merge-patch+json")
    assert (status, patched["metadata"]["annotations"]["patchedstatus"]) == (200, "true"), patched
    patched["metadata"]["annotations"]["updatedstatus"] = "true"
    patched["metadata"]["resourceVersion"] = api.json("GET", path)[1]["metadata"]["resourceVersion"]
    status, updated = api.json("PUT", path + "/status", patched)
    assert (status, updated["metadata"]["annotations"]["updatedstatus"]) == (200, "true"), updated


def _scale(api: Api, path: str) -> None:
    status, scale = api.json("GET", path + "/scale")
    assert (status, scale["kind"], scale["spec"].get("replicas", 0)) == (200, "Scale", 0)
    scale["spec"]["replicas"] = 2
    status, scaled = api.json("PUT", path + "/scale", scale)
    assert (status, scaled["spec"]["replicas"]) == (200, 2), scaled
    patch = {"spec": {"replicas": 4}}
    assert api.json("PATCH", path + "/scale", patch, "application/merge-patch+json")[1]["spec"]["replicas"] == 4
    assert api.json("GET", path)[1]["spec"]["replicas"] == 4


def _finalize(api: Api, listing: str) -> None:
    """Take away the finalizers whose controllers do not run here."""
    for item in api.json("GET", listing)[1]["items"]:
        meta = item["metadata"]
        if meta.get("finalizers"):
            version, _, kind = listing.partition("?")[0].rpartition("/")
            space = f"/namespaces/{meta['namespace']}" if meta.get("namespace") else ""
            where = f"{version}{space}/{kind}/{meta['name']}"
            status, _ = api.json("PATCH", where, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
            assert status in (200, 404)  # The server's own finalizer of a definition may have gone by now.
