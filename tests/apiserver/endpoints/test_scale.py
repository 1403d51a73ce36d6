"""The scale subresource: owners, conflicts, and what admission sees of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.apiserver.conftest import Api

pytestmark = pytest.mark.live
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


def _deployment(api: Api, ns: str) -> str:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = ns.replace("/api/v1", "/apis/apps/v1") + "/deployments/d"
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    assert api.json("PATCH", f"{path}?fieldManager=author", body, APPLY)[0] == 201
    return path


def _scale(replicas: int) -> dict[str, Any]:
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": replicas}}


def _owners(api: Api, path: str) -> list[tuple[str, str, str]]:
    rows = api.json("GET", path)[1]["metadata"]["managedFields"]
    return [
        (row["manager"], row["operation"], row.get("subresource", ""))
        for row in rows
        if "f:replicas" in row["fieldsV1"]["f:spec"]
    ]


def test_an_applied_scale_meets_the_owner_of_the_replicas(api: Api, ns: str) -> None:
    path = _deployment(api, ns)
    status, refused = api.json("PATCH", f"{path}/scale?fieldManager=scaler", _scale(3), APPLY)
    assert (status, refused["details"]["causes"]) == (
        409,
        [{"reason": "FieldManagerConflict", "message": 'conflict with "author"', "field": ".spec.replicas"}],
    )
    status, scaled = api.json("PATCH", f"{path}/scale?fieldManager=scaler&force=true", _scale(3), APPLY)
    assert (status, scaled["kind"], scaled["spec"]["replicas"]) == (200, "Scale", 3)
    assert _owners(api, path) == [("scaler", "Apply", "scale")]


def test_a_written_scale_owns_the_replicas_through_its_subresource(api: Api, ns: str) -> None:
    path = _deployment(api, ns)
    assert api.json("PUT", f"{path}/scale?fieldManager=scaler", _scale(2))[0] == 200
    assert _owners(api, path) == [("scaler", "Update", "scale")]
    found = api.json("GET", path)[1]
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (2, 2)
    stale = _scale(5)
    stale["metadata"]["resourceVersion"] = "1"
    assert api.json("PUT", f"{path}/scale", stale)[0] == 409
    status, refused = api.json("PATCH", f"{path}/scale", {"spec": {"replicas": -1}}, MERGE)
    assert (status, refused["details"]["causes"][0]["field"]) == (422, "spec.replicas")
    assert api.json("PUT", f"{path}/scale?dryRun=All", _scale(9))[1]["spec"]["replicas"] == 9
    assert api.json("GET", f"{path}/scale")[1]["spec"]["replicas"] == 2


def test_a_policy_on_the_subresource_sees_the_scale(api: Api, ns: str) -> None:
    path = _deployment(api, ns)
    group, name = "/apis/admissionregistration.k8s.io/v1", f"scale-{ns.rpartition('/')[2]}"
    rule = {"operations": ["UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments/scale"]}
    space = {"matchLabels": {"kubernetes.io/metadata.name": ns.rpartition("/")[2]}}
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "object.kind == 'Scale' && object.spec.replicas < 5", "message": "too many"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": space}}
    for kind, plural, spec in (
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies", policy),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", binding),
    ):
        body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}}
        assert api.json("POST", f"{group}/{plural}", body | {"spec": spec})[0] == 201
    try:
        status, refused = api.json("PUT", f"{path}/scale", _scale(7))
        assert (status, "too many" in refused["message"]) == (422, True)
        assert api.json("PUT", f"{path}/scale", _scale(4))[0] == 200
        assert api.json("PATCH", path, {"spec": {"replicas": 8}}, MERGE)[0] == 200
    finally:
        for plural in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            api.json("DELETE", f"{group}/{plural}/{name}")


def test_a_scale_is_shown_as_a_table(api: Api, ns: str) -> None:
    path = _deployment(api, ns)
    table = json.loads(api.raw("GET", f"{path}/scale", Accept="application/json;as=Table;v=v1;g=meta.k8s.io")[2])
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert table["rows"][0]["cells"][:3] == ["d", 1, 0]
