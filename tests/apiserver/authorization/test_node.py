import pytest

from apimachinery.objects.selectors import FieldRequirement
from apiserver.authentication.user import UserInfo
from apiserver.authorization.attributes import AuthorizationAttributes
from apiserver.authorization.node import NodeAuthorizer
from tests.apiserver.conftest import Api, pod
from tests.apiserver.fake_listers import Cluster

NODE = UserInfo("system:node:n1", "", ("system:nodes",))
SLICES = {"group": "resource.k8s.io", "resource": "resourceslices"}


@pytest.fixture
def cluster():
    made = Cluster()
    claims = [
        {"name": "claim", "persistentVolumeClaim": {"claimName": "claim"}},
        {"name": "own", "ephemeral": {}},
        {"name": "secret", "secret": {"secretName": "s"}},
        {"name": "config", "projected": {"sources": [{"configMap": {"name": "c"}}]}},
    ]
    spec = {"nodeName": "n1", "volumes": claims, "serviceAccountName": "bot", "imagePullSecrets": [{"name": "pull"}]}
    spec["resourceClaims"] = [{"name": "r", "resourceClaimName": "gpu"}]
    made.put("pods", {"metadata": {"name": "p", "namespace": "ns"}, "spec": spec})
    made.put("persistentvolumeclaims", {"metadata": {"name": "claim", "namespace": "ns"}, "spec": {"volumeName": "pv"}})
    secrets = {"nodePublishSecretRef": {"name": "mount", "namespace": "storage"}}
    made.put("persistentvolumes", {"metadata": {"name": "pv"}, "spec": {"csi": secrets}})
    made.put("resourceslices.resource.k8s.io", {"metadata": {"name": "mine"}, "spec": {"nodeName": "n1"}})
    made.put("resourceslices.resource.k8s.io", {"metadata": {"name": "other"}, "spec": {"nodeName": "n2"}})
    made.put("volumeattachments.storage.k8s.io", {"metadata": {"name": "va"}, "spec": {"nodeName": "n1"}})
    return made


def decide(cluster, verb, resource, name="", namespace="ns", **more):
    attrs = AuthorizationAttributes(NODE, verb, resource=resource, namespace=namespace, name=name, **more)
    return NodeAuthorizer(cluster).authorize(attrs)


@pytest.mark.parametrize(
    ("verb", "resource", "name", "more"),
    [
        ("get", "secrets", "s", {}),
        ("watch", "secrets", "pull", {}),
        ("get", "secrets", "mount", {"namespace": "storage"}),
        ("list", "configmaps", "c", {}),
        ("get", "persistentvolumeclaims", "claim", {}),
        ("get", "persistentvolumeclaims", "p-own", {}),
        ("patch", "persistentvolumeclaims", "claim", {"subresource": "status"}),
        ("get", "persistentvolumes", "pv", {"namespace": ""}),
        ("get", "resourceclaims", "gpu", {"group": "resource.k8s.io"}),
        ("create", "serviceaccounts", "bot", {"subresource": "token"}),
        ("get", "volumeattachments", "va", {"group": "storage.k8s.io", "namespace": ""}),
        ("get", "pods", "p", {}),
        ("create", "pods", "", {}),
        ("patch", "pods", "p", {"subresource": "status"}),
        ("create", "pods", "p", {"subresource": "eviction"}),
        ("watch", "nodes", "n1", {"namespace": ""}),
        ("create", "nodes", "", {"namespace": ""}),
        ("patch", "nodes", "n1", {"namespace": "", "subresource": "status"}),
        ("get", "csinodes", "n1", {"group": "storage.k8s.io", "namespace": ""}),
        ("list", "services", "", {"namespace": ""}),
    ],
)
def test_a_node_may(cluster, verb, resource, name, more):
    assert decide(cluster, verb, resource, name, **more).allowed


@pytest.mark.parametrize(
    ("verb", "resource", "name", "more", "why"),
    [
        ("get", "secrets", "x", {}, "no relationship found between node 'n1' and this object"),
        ("list", "secrets", "", {}, "No Object name found"),
        ("update", "secrets", "s", {}, "can only read resources of this type"),
        ("get", "secrets", "s", {"namespace": ""}, "can only read namespaced object of this type"),
        ("list", "persistentvolumeclaims", "claim", {}, "can only get individual resources of this type"),
        (
            "get",
            "persistentvolumes",
            "pv2",
            {"namespace": ""},
            "no relationship found between node 'n1' and this object",
        ),
        ("create", "serviceaccounts", "bot", {}, "can only create token subresource of serviceaccount"),
        ("list", "pods", "", {"namespace": ""}, "can only list/watch pods with spec.nodeName field selector"),
        ("get", "pods", "x", {}, "no relationship found between node 'n1' and this object"),
        ("list", "nodes", "", {"namespace": ""}, "node 'n1' cannot read all nodes, only its own Node object"),
        ("get", "nodes", "n2", {"namespace": ""}, "node 'n1' cannot read 'n2', only its own Node object"),
        ("delete", "nodes", "n1", {"namespace": ""}, ""),
    ],
)
def test_a_node_may_not(cluster, verb, resource, name, more, why):
    decision = decide(cluster, verb, resource, name, **more)
    assert (decision.allowed, decision.denied, decision.reason) == (False, False, why)


def test_selectors_narrow_lists_to_the_nodes_own(cluster):
    def listed(field, value, resource="pods", equal=True, **more):
        wanted = (FieldRequirement(field, value, equal),)
        return decide(cluster, "list", resource, namespace="", field_selector=wanted, **more).allowed

    assert listed("spec.nodeName", "n1")
    assert not listed("spec.nodeName", "n2")
    assert not listed("spec.nodeName", "n1", equal=False)
    assert listed("spec.nodeName", "n1", **SLICES)
    assert not listed("spec.nodeName", "n2", **SLICES)


def test_slices_are_the_nodes_own(cluster):
    assert decide(cluster, "get", name="mine", namespace="", **SLICES).allowed
    assert not decide(cluster, "delete", name="other", namespace="", **SLICES).allowed
    assert decide(cluster, "create", namespace="", **SLICES).allowed


def test_a_mirror_pod_gives_its_node_nothing_to_read(cluster):
    meta = {"name": "m", "namespace": "ns", "annotations": {"kubernetes.io/config.mirror": "x"}}
    volumes = [{"name": "v", "secret": {"secretName": "wanted"}}]
    cluster.put("pods", {"metadata": meta, "spec": {"nodeName": "n1", "volumes": volumes}})
    assert not decide(cluster, "get", "secrets", "wanted").allowed
    assert decide(cluster, "get", "pods", "m").allowed


@pytest.mark.live
def test_a_kubelet_lists_its_pods_and_no_others(pair, api, ns):
    node = Api(pair, user="kubelet")
    body = pod("p")
    body["spec"]["nodeName"] = "minikube"
    assert api.json("POST", f"{ns}/pods", body)[0] == 201
    assert api.json("POST", f"{ns}/pods", pod("elsewhere"))[0] == 201
    status, found = node.json("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dminikube")
    assert status == 200
    assert "p" in [item["metadata"]["name"] for item in found["items"]]
    status, answer = node.json("GET", "/api/v1/pods")
    assert (status, answer["message"].rpartition(": ")[2]) == (
        403,
        "can only list/watch pods with spec.nodeName field selector",
    )
    assert node.json("GET", f"{ns}/pods/p")[0] == 200
    assert node.json("GET", f"{ns}/pods/elsewhere")[0] == 403
    assert node.json("GET", "/api/v1/nodes?fieldSelector=metadata.name%3Dminikube")[0] == 200
    assert node.json("GET", "/api/v1/nodes")[0] == 403


def review(api, **selector):
    attributes = {"verb": "list", "resource": "pods", **selector}
    spec = {"user": NODE.name, "groups": list(NODE.groups), "resourceAttributes": attributes}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return api.json("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)


@pytest.mark.live
def test_reviews_may_name_selectors(api):
    row = {"key": "spec.nodeName", "operator": "In", "values": ["n1"]}
    assert review(api)[1]["status"]["allowed"] is False
    assert review(api, fieldSelector={"requirements": [row]})[1]["status"]["allowed"] is True
    assert review(api, fieldSelector={"rawSelector": "spec.nodeName=n1"})[1]["status"]["allowed"] is True
    assert review(api, fieldSelector={"requirements": [row | {"operator": "NotIn"}]})[1]["status"]["allowed"] is False
    status, answer = review(api, fieldSelector={"requirements": [row], "rawSelector": "a=b"})
    assert status == 422
    assert "may not specified at the same time as requirements" in answer["message"]
    assert review(api, labelSelector={})[0] == 422
    assert review(api, labelSelector={"requirements": [{"key": "a", "operator": "In"}]})[0] == 422
    assert review(api, fieldSelector={"requirements": [row | {"operator": "Near"}]})[0] == 422
