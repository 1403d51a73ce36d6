import pytest

from apimachinery.apis.object_meta import validate_meta, validate_meta_update


def told(kind="ConfigMap", api_version="v1", **metadata):
    return [str(one) for one in validate_meta(api_version, kind, {"metadata": metadata})]


def test_good_metadata():
    assert told(name="a.b-c", namespace="ns", labels={"a/b": "c", "x": ""}, finalizers=["a.b/c", "orphan"]) == []
    assert told("ClusterRole", "rbac.authorization.k8s.io/v1", name="system:node") == []
    assert told("Namespace", name="n") == []


@pytest.mark.parametrize(
    ("metadata", "start"),
    [
        ({"namespace": "n"}, "metadata.name: Required value: name or generateName is required"),
        ({"name": "A", "namespace": "n"}, 'metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain'),
        ({"name": "a"}, "metadata.namespace: Required value"),
        ({"name": "a", "namespace": "n.m"}, 'metadata.namespace: Invalid value: "n.m"'),
        ({"name": "a", "namespace": "n", "labels": {"-": "x"}}, 'metadata.labels: Invalid value: "-"'),
        ({"name": "a", "namespace": "n", "labels": {"a": "b" * 64}}, "metadata.labels: Invalid value"),
        ({"name": "a", "namespace": "n", "annotations": {"a": "b" * 300_000}}, "metadata.annotations: Too long"),
        ({"name": "a", "namespace": "n", "finalizers": ["x"]}, 'metadata.finalizers[0]: Invalid value: "x"'),
        (
            {"name": "a", "namespace": "n", "ownerReferences": [{}]},
            "metadata.ownerReferences[0].apiVersion: Invalid value",
        ),
    ],
)
def test_bad_metadata(metadata, start):
    errors = told(**metadata)
    assert any(one.startswith(start) for one in errors), errors


def test_cluster_kinds_have_no_namespace():
    assert told("Node", name="n", namespace="x") == ["metadata.namespace: Forbidden: not allowed on this type"]


def test_updates_keep_identity():
    old = {"metadata": {"name": "a", "namespace": "n", "uid": "1", "deletionTimestamp": "t", "finalizers": ["a/b"]}}
    new = {"metadata": {**old["metadata"], "uid": "2", "finalizers": ["a/b", "a/c"]}}
    errors = [str(one) for one in validate_meta_update("v1", "ConfigMap", new, old)]
    assert 'metadata.uid: Invalid value: "2": field is immutable' in errors
    assert any("no new finalizers can be added if the object is being deleted" in one for one in errors)
