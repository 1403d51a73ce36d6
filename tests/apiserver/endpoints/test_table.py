import datetime

import pytest

from apimachinery.resources import RESOURCES, lookup
from apiserver.endpoints.table import to_table
from apiserver.registry.printers import COLUMNS

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def cells(name, obj, *, wide=False):
    obj = {"metadata": {"name": "x", "creationTimestamp": "2026-01-01T11:55:00Z", **obj.pop("metadata", {})}, **obj}
    table = to_table(lookup(name), [obj], {}, now=NOW)
    pairs = zip(table["columnDefinitions"], table["rows"][0]["cells"], strict=True)
    return {column["name"]: cell for column, cell in pairs if wide or not column["priority"]}


def status(*containers, phase="Running", spec=None, **more):
    names = [one["name"] for one in containers]
    return {
        "spec": {"containers": [{"name": name} for name in names], **(spec or {})},
        "status": {"phase": phase, "containerStatuses": list(containers), **more},
    }


def container(name="c", *, ready=True, restarts=0, state=None, last=None):
    return {
        "name": name,
        "ready": ready,
        "restartCount": restarts,
        "state": state or {"running": {}},
        **({"lastState": last} if last else {}),
    }


@pytest.mark.parametrize(
    ("pod", "ready", "word", "restarts"),
    [
        (status(container()), "1/1", "Running", "0"),
        (
            status(container(restarts=3, last={"terminated": {"finishedAt": "2026-01-01T11:54:00Z"}})),
            "1/1",
            "Running",
            "3 (6m ago)",
        ),
        (
            status(container(ready=False, restarts=1, state={"waiting": {"reason": "CrashLoopBackOff"}})),
            "0/1",
            "CrashLoopBackOff",
            "1",
        ),
        (status(container(ready=False, state={"terminated": {"exitCode": 2}})), "0/1", "ExitCode:2", "0"),
        (
            status(
                container(ready=False, state={"terminated": {"reason": "Completed", "exitCode": 0}}), phase="Succeeded"
            ),
            "0/1",
            "Completed",
            "0",
        ),
        ({"spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Pending"}}, "0/1", "Pending", "0"),
        (
            status(phase="Pending", spec={"containers": [{"name": "c"}], "initContainers": [{"name": "i"}]})
            | {
                "status": {
                    "phase": "Pending",
                    "initContainerStatuses": [{"name": "i", "state": {"running": {}}}],
                }
            },
            "0/1",
            "Init:0/1",
            "0",
        ),
        ({**status(container()), "metadata": {"deletionTimestamp": "2026-01-01T11:59:00Z"}}, "1/1", "Terminating", "0"),
        (
            status(phase="Pending", conditions=[{"type": "PodScheduled", "reason": "SchedulingGated"}]),
            "0/0",
            "SchedulingGated",
            "0",
        ),
    ],
)
def test_pods(pod, ready, word, restarts):
    assert cells("pods", pod) == {"Name": "x", "Ready": ready, "Status": word, "Restarts": restarts, "Age": "5m"}


def test_workloads():
    deployment = {"spec": {"replicas": 3}, "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2}}
    assert cells("deployments.apps", deployment) == {
        "Name": "x",
        "Ready": "2/3",
        "Up-to-date": 3,
        "Available": 2,
        "Age": "5m",
    }
    job = {"spec": {"completions": 2}, "status": {"succeeded": 1, "startTime": "2026-01-01T11:59:00Z"}}
    assert cells("jobs.batch", job) == {
        "Name": "x",
        "Status": "Running",
        "Completions": "1/2",
        "Duration": "60s",
        "Age": "5m",
    }


def test_services():
    spec = {
        "type": "NodePort",
        "clusterIP": "10.96.0.1",
        "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}],
        "selector": {"b": "1", "a": "2"},
    }
    assert cells("services", {"spec": spec}, wide=True) == {
        "Name": "x",
        "Type": "NodePort",
        "Cluster-IP": "10.96.0.1",
        "External-IP": "<none>",
        "Port(s)": "80:30080/TCP",
        "Age": "5m",
        "Selector": "a=2,b=1",
    }
    assert cells("services", {"spec": {"type": "LoadBalancer"}})["External-IP"] == "<pending>"


def test_nodes():
    node = {
        "metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"unschedulable": True},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.36.2"}},
    }
    assert cells("nodes", node) == {
        "Name": "x",
        "Status": "Ready,SchedulingDisabled",
        "Roles": "control-plane",
        "Age": "5m",
        "Version": "v1.36.2",
    }


def test_kinds_without_a_row_show_when_they_were_made():
    assert cells("limitranges", {}) == {"Name": "x", "Created At": "2026-01-01T11:55:00Z"}


def test_rows_name_resources_that_are_served():
    assert set(COLUMNS) <= {one.group_resource for one in RESOURCES}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: f"{one.group_resource}.{one.version}")
def test_no_column_breaks_on_an_empty_object(resource):
    for obj in ({"metadata": {"name": "x"}}, {"metadata": {}, "spec": None, "status": None}):
        table = to_table(resource, [obj], {}, now=NOW)
        assert len(table["rows"][0]["cells"]) == len(table["columnDefinitions"])


def test_what_a_row_carries():
    obj = {"metadata": {"name": "x"}, "data": {"a": "b"}}
    rows = {
        form: to_table(lookup("configmaps"), [obj], {}, include_object=form, now=NOW)["rows"][0]
        for form in ("None", "Metadata", "Object")
    }
    assert "object" not in rows["None"]
    assert rows["Metadata"]["object"]["kind"] == "PartialObjectMetadata"
    assert rows["Object"]["object"] == {"kind": "ConfigMap", "apiVersion": "v1", **obj}


def test_custom_columns():
    specs = [
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Size", "type": "integer", "jsonPath": ".spec['a.b'].size", "priority": 1},
        {"name": "Names", "type": "string", "jsonPath": ".spec.items[*].name"},
        {"name": "Since", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Gone", "type": "string", "jsonPath": ".spec.nothing"},
        {"name": "Bad", "type": "string", "jsonPath": "nonsense("},
    ]
    obj = {
        "metadata": {"name": "x", "creationTimestamp": "2026-01-01T11:55:00Z"},
        "spec": {"a.b": {"size": 3}, "items": [{"name": "p"}, {"name": "q"}]},
        "status": {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]},
    }
    table = to_table(lookup("configmaps"), [obj], {}, crd_columns=specs, now=NOW)
    assert table["rows"][0]["cells"] == ["x", "True", 3, "p q", "5m", None, None]
    assert table["columnDefinitions"][2]["priority"] == 1
    assert [
        one["name"] for one in to_table(lookup("configmaps"), [], {}, crd_columns=[], now=NOW)["columnDefinitions"]
    ] == ["Name", "Age"]
