import json

import pytest

from apimachinery.resources import RESOURCES
from apimachinery.schema import tables
from apimachinery.schema.decode import decode
from apimachinery.schema.tables import from_openapi, schema_for


def test_every_served_kind_has_a_shape():
    assert [one.kind for one in RESOURCES if schema_for(one.api_version, one.kind) is None] == []


def test_an_unknown_kind_has_none():
    assert schema_for("v1", "Nothing") is None
    with pytest.raises(KeyError):
        tables.definition("core.v1.Nothing")


def test_list_types_and_merge_keys_are_carried():
    spec = schema_for("v1", "Pod").properties["spec"]
    containers = spec.properties["containers"]
    assert containers.list_type == "map"
    assert containers.list_map_keys == ("name",)
    assert containers.patch_merge_key == "name"
    ports = containers.items.properties["ports"]
    assert ports.list_map_keys == ("containerPort", "protocol")
    assert ports.items.properties["protocol"].default == "TCP"
    assert spec.properties["nodeSelector"].map_type == "atomic"
    assert schema_for("apps/v1", "Deployment").properties["spec"].properties["strategy"].patch_strategy == (
        "retainKeys",
    )


def test_definitions_are_shared_and_may_be_recursive():
    deployment, replica_set = schema_for("apps/v1", "Deployment"), schema_for("apps/v1", "ReplicaSet")
    assert deployment.properties["spec"].properties["template"] is replica_set.properties["spec"].properties["template"]
    props = tables.definition("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
    assert props.properties["not"] is props


def test_all_definitions_can_be_made():
    for name in tables.definition_names():
        assert json.dumps(tables.raw_definition(name))
        tables.definition(name)


def test_a_custom_schema_becomes_the_same_nodes():
    shape = from_openapi(
        {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {
                        "list": {
                            "type": "array",
                            "x-kubernetes-list-type": "map",
                            "x-kubernetes-list-map-keys": ["id"],
                            "items": {"type": "object", "properties": {"id": {"type": "string", "default": "x"}}},
                        },
                        "size": {"x-kubernetes-int-or-string": True},
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        "map": {"type": "object", "additionalProperties": {"type": "integer"}},
                    },
                }
            },
        }
    )
    spec = shape.properties["spec"]
    assert spec.properties["list"].list_map_keys == ("id",)
    assert spec.properties["list"].items.properties["id"].default == "x"
    assert spec.properties["size"].int_or_string
    assert "labels" in shape.properties["metadata"].properties
    given = {
        "apiVersion": "a/v1",
        "kind": "K",
        "metadata": {"name": "n", "foo": 1},
        "spec": {"free": {"any": [1]}, "map": {"a": 1}, "size": "5%", "gone": 1},
        "top": 1,
    }
    assert decode(given, shape) == {
        "apiVersion": "a/v1",
        "kind": "K",
        "metadata": {"name": "n"},
        "spec": {"free": {"any": [1]}, "map": {"a": 1}, "size": "5%"},
    }
