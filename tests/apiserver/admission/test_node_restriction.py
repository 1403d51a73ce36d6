import pytest

from tests.apiserver.conftest import Api, claim, pod

pytestmark = pytest.mark.live

MERGE = "application/merge-patch+json"
NODES = "/api/v1/nodes"


@pytest.fixture(scope="module")
def admin(guarded):
    return Api(guarded)


@pytest.fixture(scope="module")
def kubelet(guarded):
    return Api(guarded, user="kubelet")


@pytest.fixture(scope="module")
def node(admin, kubelet):
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "minikube"}}
    status, made = kubelet.json("POST", NODES, body)
    assert status == 201, made
    return made


@pytest.fixture(scope="module")
def space(admin, node):
    return admin.namespace("restricted")


def refused(answered):
    status, answer = answered
    assert (status, answer["reason"]) == (403, "Forbidden"), answer
    return answer["message"].partition(" is forbidden: ")[2]


def change(kubelet, path, **changes):
    return kubelet.json("PATCH", path, changes, MERGE)


def test_a_kubelet_writes_its_own_node_only(admin, kubelet, node):
    other = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "other"}}
    assert refused(kubelet.json("POST", NODES, other)) == 'node "minikube" is not allowed to modify node "other"'
    own = f"{NODES}/minikube"
    assert change(kubelet, own, metadata={"labels": {"kubernetes.io/os": "linux", "mine": "x"}})[0] == 200
    for label in ("node-restriction.kubernetes.io/x", "foo.k8s.io/x"):
        told = refused(change(kubelet, own, metadata={"labels": {label: "x"}}))
        assert told == f"is not allowed to modify labels: {label}"
    assert refused(change(kubelet, own, spec={"taints": [{"key": "a", "effect": "NoSchedule"}]})) == (
        'node "minikube" is not allowed to modify taints'
    )
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    assert refused(change(kubelet, own, metadata={"ownerReferences": [owner]})) == (
        'node "minikube" is not allowed to modify ownerReferences'
    )
    assert change(kubelet, f"{own}/status", status={"nodeInfo": {"kernelVersion": "6"}})[0] == 200
    status, answer = kubelet.json("DELETE", own)
    assert (status, 'cannot delete resource "nodes"' in answer["message"]) == (403, True)


def mirror(node, name="m", **spec):
    made = pod(name)
    owner = {"apiVersion": "v1", "kind": "Node", "name": "minikube", "uid": node["metadata"]["uid"], "controller": True}
    made["metadata"] |= {"annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": [owner]}
    made["spec"] |= {"nodeName": "minikube", **spec}
    return made


def test_a_kubelet_makes_mirror_pods_that_refer_to_nothing(kubelet, node, space):
    path = f"{space}/pods"
    start = 'node "minikube" can '

    def told(body):
        return refused(kubelet.json("POST", path, body))

    assert told(pod("p")).endswith('node "minikube" can only create mirror pods')
    assert told(mirror(node, nodeName="other")) == f"{start}only create pods with spec.nodeName set to itself"
    ownerless, stranger, wrong = mirror(node), mirror(node), mirror(node)
    del ownerless["metadata"]["ownerReferences"]
    assert told(ownerless) == f"{start}only create pods with an owner reference set to itself"
    stranger["metadata"]["ownerReferences"][0]["controller"] = False
    assert told(stranger) == f"{start}only create pods with a controller owner reference set to itself"
    wrong["metadata"]["ownerReferences"][0]["uid"] = "other"
    assert told(wrong) == f"node minikube UID mismatch: expected other got {node['metadata']['uid']}"
    volumes = {
        "secrets": {"secret": {"secretName": "s"}},
        "configmaps": {"configMap": {"name": "c"}},
        "persistentvolumeclaims": {"persistentVolumeClaim": {"claimName": "c"}},
    }
    for what, source in volumes.items():
        assert told(mirror(node, volumes=[{"name": "v", **source}])) == f"{start}not create pods that reference {what}"
    assert (
        told(mirror(node, serviceAccountName="default")) == f"{start}not create pods that reference a service account"
    )
    assert kubelet.json("POST", path, mirror(node))[0] == 201
    assert kubelet.json("DELETE", f"{path}/m")[0] == 200


def test_a_kubelet_touches_the_pods_bound_to_it(admin, kubelet, node, space):
    here, away = pod("here"), pod("away")
    here["spec"]["nodeName"] = "minikube"
    away["spec"]["nodeName"] = "other"
    for body in (here, away):
        assert admin.json("POST", f"{space}/pods", body)[0] == 201
    path = f"{space}/pods"
    assert change(kubelet, f"{path}/here/status", status={"phase": "Running"})[0] == 200
    assert refused(change(kubelet, f"{path}/away/status", status={"phase": "Running"})) == (
        'node "minikube" can only update pod status for pods with spec.nodeName set to itself'
    )
    assert refused(change(kubelet, f"{path}/here/status", metadata={"labels": {"a": "b"}})) == (
        'node "minikube" cannot update labels through pod status'
    )
    assert refused(kubelet.json("DELETE", f"{path}/away")) == (
        'node "minikube" can only delete pods with spec.nodeName set to itself'
    )
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "away"}}
    assert refused(kubelet.json("POST", f"{path}/away/eviction", eviction)) == (
        "node minikube can only evict pods with spec.nodeName set to itself"
    )
    eviction["metadata"]["name"] = "here"
    assert kubelet.json("POST", f"{path}/here/eviction", eviction)[0] == 201


def test_a_kubelet_gets_tokens_for_its_pods_and_their_audiences(admin, kubelet, node, space):
    body = pod("asks")
    source = {"serviceAccountToken": {"path": "t", "audience": "vault"}}
    body["spec"] |= {"nodeName": "minikube", "volumes": [{"name": "v", "projected": {"sources": [source]}}]}
    status, made = admin.json("POST", f"{space}/pods", body)
    assert status == 201, made
    uid = made["metadata"]["uid"]

    def token(audiences=(), **reference):
        spec = {"audiences": list(audiences)}
        if reference:
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", **reference}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return kubelet.json("POST", f"{space}/serviceaccounts/default/token", body)

    assert refused(token()) == "node requested token not bound to a pod"
    assert refused(token(name="asks")) == "node requested token with a pod binding without a uid"
    assert "does not match the UID in record" in refused(token(name="asks", uid="x"))
    assert token(name="asks", uid=uid)[0] == 201
    assert token(["vault"], name="asks", uid=uid)[0] == 201
    assert refused(token(["other"], name="asks", uid=uid)) == 'audience "other" not found in pod spec volume'
    assert refused(token(["a", "b"], name="asks", uid=uid)) == "node may only request 0 or 1 audiences"


def test_a_kubelet_writes_its_own_lease_csi_node_and_the_status_of_claims(admin, kubelet, node, space):
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "other"}}
    assert refused(kubelet.json("POST", leases, lease)) == (
        "can only access node lease with the same name as the requesting node"
    )
    lease["metadata"]["name"] = "minikube"
    assert kubelet.json("POST", leases, lease)[0] == 201
    drivers = "/apis/storage.k8s.io/v1/csinodes"
    csi = {"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": "other"}, "spec": {"drivers": []}}
    assert refused(kubelet.json("POST", drivers, csi)) == (
        "can only access CSINode with the same name as the requesting node"
    )
    assert admin.json("POST", f"{space}/persistentvolumeclaims", claim("c", "1Gi"))[0] == 201
    user = pod("uses")
    user["spec"] |= {
        "nodeName": "minikube",
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
    }
    assert admin.json("POST", f"{space}/pods", user)[0] == 201
    path = f"{space}/persistentvolumeclaims/c/status"
    assert change(kubelet, path, status={"capacity": {"storage": "1Gi"}})[0] == 200
    assert "is not allowed to update fields other than status.capacity and status.conditions" in refused(
        change(kubelet, path, status={"phase": "Bound"})
    )
