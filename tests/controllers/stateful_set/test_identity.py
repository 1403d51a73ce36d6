import pytest

from controllers.stateful_set import claims
from controllers.stateful_set.identity import is_member, missing_labels, new_pod, ordinal, parent_and_ordinal

SET = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "web", "namespace": "shop", "uid": "set"},
    "spec": {
        "replicas": 2,
        "serviceName": "www",
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}},
            "spec": {"containers": [], "volumes": [{"name": "data", "emptyDir": {}}, {"name": "x", "emptyDir": {}}]},
        },
        "volumeClaimTemplates": [
            {"metadata": {"name": "data", "labels": {"tier": "1"}}, "spec": {"accessModes": ["ReadWriteOnce"]}}
        ],
    },
}


def with_policy(scaled, deleted):
    policy = {"whenScaled": scaled, "whenDeleted": deleted}
    return {**SET, "spec": {**SET["spec"], "persistentVolumeClaimRetentionPolicy": policy}}


def pod(number, uid="pod"):
    return {"metadata": {"name": f"web-{number}", "uid": uid}}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("web-0", ("web", 0)), ("a-b-12", ("a-b", 12)), ("web", ("", -1)), ("web-x", ("", -1)), ("web-0-x", ("", -1))],
)
def test_names_tell_parent_and_ordinal(name, expected):
    assert parent_and_ordinal(name) == expected


def test_members_bear_the_set_name():
    assert is_member(SET, pod(3))
    assert not is_member(SET, {"metadata": {"name": "other-3"}})
    assert ordinal({"metadata": {"name": "bare"}}) == -1


def test_a_new_pod_has_its_identity():
    made = new_pod(SET, 1, "web-abc")
    assert made["metadata"]["name"] == made["spec"]["hostname"] == "web-1"
    assert made["spec"]["subdomain"] == "www"
    assert made["metadata"]["annotations"] == {"a": "b"}
    assert made["metadata"]["labels"] == {
        "app": "web",
        "statefulset.kubernetes.io/pod-name": "web-1",
        "apps.kubernetes.io/pod-index": "1",
        "controller-revision-hash": "web-abc",
    }
    assert made["spec"]["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-1"}},
        {"name": "x", "emptyDir": {}},
    ]
    assert made["metadata"]["ownerReferences"][0]["uid"] == "set"
    assert missing_labels(SET, made) == {}
    assert len(missing_labels(SET, pod(1))) == 2


def test_a_claim_is_made_from_its_template():
    made = claims.new_claim(SET, SET["spec"]["volumeClaimTemplates"][0], 1)
    assert made["metadata"] == {"name": "data-web-1", "namespace": "shop", "labels": {"tier": "1", "app": "web"}}
    assert made["spec"] == {"accessModes": ["ReadWriteOnce"]}


@pytest.mark.parametrize(
    ("scaled", "deleted", "inside", "outside"),
    [
        ("Retain", "Retain", [], []),
        ("Retain", "Delete", ["set"], ["set"]),
        ("Delete", "Retain", [], ["pod"]),
        ("Delete", "Delete", ["set"], ["pod"]),
    ],
)
def test_claims_are_owned_as_the_retention_policy_says(scaled, deleted, inside, outside):
    live = with_policy(scaled, deleted)
    for number, expected in ((1, inside), (2, outside)):
        for before in ([], [{"uid": "set", "controller": True}], [{"uid": "pod", "controller": True}]):
            claim = {"metadata": {"name": f"data-web-{number}", "ownerReferences": before}}
            assert [one["uid"] for one in claims.owner_references(live, pod(number), claim)] == expected


def test_claims_of_other_controllers_are_left_alone():
    other = {"uid": "other", "controller": True}
    claim = {"metadata": {"name": "data-web-0", "ownerReferences": [other]}}
    assert claims.owner_references(with_policy("Delete", "Delete"), pod(0), claim) == [other]


def test_a_claim_that_goes_with_an_earlier_pod_is_stale():
    owned = {"metadata": {"ownerReferences": [{"kind": "Pod", "name": "web-2", "uid": "old", "controller": True}]}}
    assert claims.is_stale(owned, "web-2", "")
    assert not claims.is_stale(owned, "web-2", "old")
    assert not claims.is_stale(owned, "web-1", "")
    assert claims.is_stale({"metadata": {"deletionTimestamp": "x"}}, "web-2", "")
    assert not claims.is_stale({"metadata": {}}, "web-2", "")
