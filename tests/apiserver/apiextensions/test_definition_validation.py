import copy

import pytest

from apiserver.apiextensions.definition_validation import validate_create, validate_update

V1 = "spec.versions[0].schema.openAPIV3Schema"


def crd(schema=None, **spec):
    schema = {"type": "object"} if schema is None else schema
    names = {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    body = {"group": "ex.io", "scope": "Namespaced", "names": names, "versions": [version]} | spec
    return {"metadata": {"name": "foos.ex.io"}, "spec": body}


def under(**spec):
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}


def test_good_definitions_pass():
    assert validate_create(crd()) == []
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    keyed = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}},
    }
    either = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    size = {"type": "integer", "default": 3}
    assert validate_create(crd(under(free=free, keyed=keyed, either=either, size=size))) == []


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({}, f"{V1}.type: Required value: must not be empty at the root"),
        ({"type": "string"}, f'{V1}.type: Invalid value: "string": must be object at the root'),
        (
            {"type": "object", "properties": {"a": {}}},
            f"{V1}.properties[a].type: Required value: must not be empty for specified object fields",
        ),
        (under(a={"type": "array"}), f"{V1}.properties[spec].properties[a].items: Required value: must be specified"),
        (
            under(a={"type": "string", "default": 5}),
            f'{V1}.properties[spec].properties[a].default: Invalid value: "integer": default in body must be of type '
            'string: "integer"',
        ),
        (
            under(a={"type": "string", "anyOf": [{"type": "string"}]}),
            f"{V1}.properties[spec].properties[a].anyOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            under(a={"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"}),
            f"{V1}.properties[spec].properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if "
            "x-kubernetes-list-type is map",
        ),
    ],
)
def test_schemas_must_be_structural(schema, told):
    assert [str(problem) for problem in validate_create(crd(schema))] == [told]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"scope": "X"}, 'spec.scope: Unsupported value: "X": supported values: "Cluster", "Namespaced"'),
        (
            {"versions": []},
            "spec.versions: Invalid value: null: must have exactly one version marked as storage version",
        ),
        (
            {"conversion": {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"]}}},
            "spec.conversion.webhook.clientConfig: Required value: required when strategy is set to Webhook",
        ),
        (
            {"versions": [{"name": "v1", "storage": True}]},
            f"{V1}: Required value: schemas are required",
        ),
    ],
)
def test_definitions(spec, told):
    assert [str(problem) for problem in validate_create(crd(**spec))] == [told]


def test_the_name_follows_from_the_names():
    wrong = crd()
    wrong["metadata"]["name"] = "x"
    assert [str(p) for p in validate_create(wrong)] == [
        'metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group'
    ]


def test_what_may_not_change():
    old = crd()
    old["status"] = {"conditions": [{"type": "Established", "status": "True"}], "storedVersions": ["v1"]}
    new = copy.deepcopy(old)
    new["spec"]["scope"] = "Cluster"
    new["spec"]["versions"][0]["name"] = "v2"
    assert [str(problem) for problem in validate_update(new, old)] == [
        'spec.scope: Invalid value: "Cluster": field is immutable',
        'status.storedVersions[0]: Invalid value: "v1": must appear in spec.versions',
    ]
