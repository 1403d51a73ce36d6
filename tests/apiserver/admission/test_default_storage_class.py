import time

import pytest

from apiserver.admission.default_storage_class import newest
from tests.apiserver.conftest import claim

CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}


def test_of_two_made_in_the_same_second_the_first_by_name_is_taken():
    def made(name, stamp):
        return {"metadata": {"name": name, "creationTimestamp": stamp}}

    same = [made("b", "2026-01-01T00:00:00Z"), made("a", "2026-01-01T00:00:00Z")]
    assert newest(same)["metadata"]["name"] == "a"
    assert newest([*same, made("z", "2026-01-01T00:00:01Z")])["metadata"]["name"] == "z"
    assert newest([]) is None


@pytest.fixture
def storage_class(api):
    made = []

    def make(name, **annotations):
        body = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": name, "annotations": annotations},
            "provisioner": "example.com/none",
        }
        status, answer = api.json("POST", CLASSES, body)
        assert status == 201, answer
        made.append(name)

    yield make
    for name in made:
        api.json("DELETE", f"{CLASSES}/{name}")


@pytest.mark.live
def test_claims_without_a_class_get_the_newest_default(api, ns, storage_class):
    path = f"{ns}/persistentvolumeclaims"
    assert "storageClassName" not in api.json("POST", path, claim("none", "1Gi"))[1]["spec"]
    storage_class("old", **DEFAULT)
    time.sleep(1.1)
    storage_class("new", **DEFAULT)
    storage_class("other")
    made = api.json("POST", path, claim("a", "1Gi"))[1]
    assert made["spec"]["storageClassName"] == "new"
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert api.json("POST", path, claim("b", "1Gi", storageClassName="other"))[1]["spec"]["storageClassName"] == "other"
    # An empty name asks for no class.
    assert api.json("POST", path, claim("c", "1Gi", storageClassName=""))[1]["spec"]["storageClassName"] == ""


@pytest.mark.live
def test_claims_grow_where_their_class_lets_them(api, ns, storage_class):
    storage_class("fixed")
    path = f"{ns}/persistentvolumeclaims"
    assert api.json("POST", path, claim("a", "1Gi", storageClassName="fixed"))[0] == 201
    larger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    merge = "application/merge-patch+json"
    assert api.json("PATCH", f"{path}/a/status", {"status": {"phase": "Bound"}}, merge)[0] == 200
    status, answer = api.json("PATCH", f"{path}/a", larger, merge)
    assert status == 403
    assert "the storageclass that provisions the pvc must support resize" in answer["message"]
    assert api.json("PATCH", f"{CLASSES}/fixed", {"allowVolumeExpansion": True}, merge)[0] == 200
    assert api.json("PATCH", f"{path}/a", larger, merge)[0] == 200
