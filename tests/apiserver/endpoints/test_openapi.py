import json

import pytest

from apimachinery.resources import RESOURCES, Resource
from apiserver.endpoints import openapi

CRON_TAB = Resource(
    "stable.example.com", "v1", "CronTab", "crontabs", True, "crontab", subresources=("status", "scale")
)
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "description": "What is wanted.",
            "properties": {"cron": {"type": "string", "nullable": True}, "size": {"x-kubernetes-int-or-string": True}},
        },
        "loose": {
            "type": "object",
            "description": "d",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"a": {}},
        },
    },
}


def references(value):
    if isinstance(value, dict):
        for key, one in value.items():
            if key == "$ref" and isinstance(one, str):
                yield one
            else:
                yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


@pytest.mark.parametrize(("group", "version"), sorted({(one.group, one.version) for one in RESOURCES}))
def test_every_reference_of_a_v3_document_leads_somewhere(group, version):
    document = json.loads(openapi.openapi_v3(group, version, RESOURCES))
    assert document["paths"]
    known = {openapi.V3_ROOT + name for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


def test_every_reference_of_the_v2_document_leads_somewhere():
    document = json.loads(openapi.openapi_v2(RESOURCES, [(CRON_TAB, SCHEMA)]))
    assert set(references(document)) <= {openapi.V2_ROOT + name for name in document["definitions"]}


def test_kubectl_finds_that_fields_are_validated_by_the_server():
    document = json.loads(openapi.openapi_v3("apps", "v1", RESOURCES))
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "kind": "Deployment", "version": "v1"}
    assert patch["x-kubernetes-action"] == "patch"
    assert {"dryRun", "fieldManager", "fieldValidation", "force"} <= {one["name"] for one in patch["parameters"]}
    spec = document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert spec["x-kubernetes-patch-merge-key"] == "name"
    assert spec["x-kubernetes-list-map-keys"] == ["name"]
    assert spec["description"]


def test_a_custom_resource_in_v3():
    document = json.loads(openapi.openapi_v3("stable.example.com", "v1", RESOURCES, [(CRON_TAB, SCHEMA)]))
    made = document["components"]["schemas"]["com.example.stable.v1.CronTab"]
    assert made["properties"]["spec"] == SCHEMA["properties"]["spec"]
    assert made["x-kubernetes-group-version-kind"] == [
        {"group": "stable.example.com", "kind": "CronTab", "version": "v1"}
    ]
    assert "/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}/scale" in document["paths"]


def test_a_custom_resource_in_v2_has_no_more_than_v2_can_say():
    document = json.loads(openapi.openapi_v2([], [(CRON_TAB, SCHEMA)]))
    made = document["definitions"]["com.example.stable.v1.CronTab"]["properties"]
    assert made["spec"]["properties"]["cron"] == {}
    assert made["loose"] == {"description": "d", "x-kubernetes-preserve-unknown-fields": True}


def test_whole_objects_inside_of_others_have_an_identity():
    inner = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"a": {"type": "string"}}}
    loose = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"inner": inner, "loose": {"type": "array", "items": loose}}}
    document = json.loads(openapi.openapi_v3("stable.example.com", "v1", RESOURCES, [(CRON_TAB, schema)]))
    made = document["components"]["schemas"]["com.example.stable.v1.CronTab"]["properties"]
    assert set(made["inner"]["properties"]) == {"a", "apiVersion", "kind", "metadata"}
    assert made["inner"]["required"] == ["kind", "apiVersion"]
    assert set(made["loose"]["items"]["properties"]) == {"apiVersion", "kind", "metadata"}
    made = json.loads(openapi.openapi_v2([], [(CRON_TAB, schema)]))["definitions"]["com.example.stable.v1.CronTab"]
    assert "metadata" in made["properties"]["inner"]["properties"]
    assert "properties" not in made["properties"]["loose"]["items"]


def test_a_custom_resource_without_a_shape_is_just_an_object_in_v2():
    loose = {"type": "object", "description": "d", "properties": {}, "x-kubernetes-preserve-unknown-fields": True}
    document = json.loads(openapi.openapi_v2([], [(CRON_TAB, loose)]))
    made = document["definitions"]["com.example.stable.v1.CronTab"]
    assert {key for key in made if not key.startswith("x-kubernetes-group")} == {"type"}


def test_the_index_changes_with_what_is_served():
    before = openapi.openapi_v3_index(RESOURCES)["paths"]
    after = openapi.openapi_v3_index(RESOURCES, [(CRON_TAB, SCHEMA)])["paths"]
    other = openapi.openapi_v3_index(RESOURCES, [(CRON_TAB, None)])["paths"]
    assert set(after) - set(before) == {"apis/stable.example.com/v1"}
    assert after["api/v1"] == before["api/v1"]
    assert after["apis/stable.example.com/v1"] != other["apis/stable.example.com/v1"]
    assert before["api/v1"]["serverRelativeURL"].startswith("/openapi/v3/api/v1?hash=")
