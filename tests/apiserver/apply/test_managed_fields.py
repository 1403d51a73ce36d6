import copy

from apimachinery.schema.tables import schema_for
from apiserver.apply.managed_fields import track

DEPLOYMENT = schema_for("apps/v1", "Deployment")
POD = schema_for("v1", "Pod")


def pod(**metadata):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ns", **metadata},
        "spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Always"},
        "status": {"phase": "Pending"},
    }


def fields(obj, manager):
    return next(one["fieldsV1"] for one in obj["metadata"]["managedFields"] if one["manager"] == manager)


def test_a_created_pod_is_owned_as_upstream_writes_it():
    made = track(None, pod(labels={"a": "b"}), manager="kubectl-run", schema=POD, now="T")
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "kubectl-run",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "T",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                "f:spec": {
                    "f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}, "f:name": {}}},
                    "f:restartPolicy": {},
                },
            },
        }
    ]


def test_the_given_objects_stay_as_they_are():
    old, new = pod(), pod(labels={"a": "b"})
    before = copy.deepcopy((old, new))
    track(old, new, manager="m", schema=POD, now="T")
    assert (old, new) == before


def test_nothing_changed_leaves_times_alone():
    old = track(None, pod(), manager="a", schema=POD, now="T1")
    assert track(old, copy.deepcopy(old), manager="b", schema=POD, now="T2") == old


def test_a_changed_field_changes_hands():
    old = track(None, pod(labels={"a": "1", "b": "1"}), manager="one", schema=POD, now="T1")
    new = copy.deepcopy(old)
    new["metadata"]["labels"] = {"a": "2"}
    made = track(old, new, manager="two", schema=POD, now="T2")
    assert fields(made, "two") == {"f:metadata": {"f:labels": {"f:a": {}}}}
    assert fields(made, "one")["f:metadata"] == {"f:labels": {}}
    assert [one["time"] for one in made["metadata"]["managedFields"]] == ["T1", "T2"]


def test_status_is_owned_through_its_subresource():
    old = track(None, pod(), manager="one", schema=POD, now="T1")
    new = copy.deepcopy(old)
    new["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    made = track(old, new, manager="kubelet", subresource="status", schema=POD, now="T2")
    entry = next(one for one in made["metadata"]["managedFields"] if one["manager"] == "kubelet")
    assert entry["subresource"] == "status"
    assert entry["fieldsV1"]["f:status"]["f:conditions"] == {
        ".": {},
        'k:{"type":"Ready"}': {".": {}, "f:status": {}, "f:type": {}},
    }
    again = copy.deepcopy(made)
    again["status"]["conditions"][0]["status"] = "False"
    final = track(made, again, manager="kubelet", subresource="status", schema=POD, now="T3")
    assert fields(final, "kubelet") == entry["fieldsV1"]


def test_an_empty_list_of_managers_resets():
    old = track(None, pod(), manager="one", schema=POD, now="T1")
    new = copy.deepcopy(old)
    new["metadata"]["managedFields"] = []
    assert "managedFields" not in track(old, new, manager="two", schema=POD, now="T2")["metadata"]


def test_the_oldest_of_many_updaters_are_merged():
    obj = track(None, pod(), manager="m", schema=POD, now="T00")
    for number in range(15):
        new = copy.deepcopy(obj)
        new["metadata"].setdefault("labels", {})[f"l{number}"] = "x"
        obj = track(obj, new, manager=f"m{number}", schema=POD, now=f"T{number + 10}")
    managers = [one["manager"] for one in obj["metadata"]["managedFields"]]
    assert len(managers) <= 10
    assert "ancient-changes" in managers
