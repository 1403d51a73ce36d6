import pytest

from apimachinery.objects.field_path import FieldPath
from apiserver.apiextensions import structural_validation

V1 = "s"
AT = "s.properties[spec].properties[a]"


def under(**spec):
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}


def told(schema):
    return [str(problem) for problem in structural_validation.problems(schema, FieldPath("s"))]


@pytest.mark.parametrize(
    ("schema", "told_"),
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
def test_schemas_must_be_structural(schema, told_):
    assert told(schema) == [told_]


KEYED = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
EITHER = {"x-kubernetes-int-or-string": True}


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "null"}, ".type: Forbidden: type cannot be set to null, use nullable as an alternative"),
        ({"type": "string", "$ref": "#/x"}, ".$ref: Forbidden: $ref is not supported"),
        (
            {"type": "object", "patternProperties": {"a": {}}},
            ".patternProperties: Forbidden: patternProperties is not supported",
        ),
        (
            {"type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": {"type": "string"}},
            ".additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            {"type": "object", "x-kubernetes-preserve-unknown-fields": False},
            ".x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
        ),
        (
            {**EITHER, "type": "string"},
            '.type: Invalid value: "string": must be empty if x-kubernetes-int-or-string is true',
        ),
        (
            {"type": "string", "x-kubernetes-list-type": "set"},
            '.type: Invalid value: "string": must be array if x-kubernetes-list-type is specified',
        ),
        (
            {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "bag"},
            '.x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "map", "set"',
        ),
        (
            {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-map-keys": ["k"]},
            ".x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty",
        ),
        (
            {
                "type": "array",
                **KEYED,
                "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "object"}}},
            },
            '.items.properties[k].type: Invalid value: "object": must be a scalar type if parent array\'s '
            "x-kubernetes-list-type is map",
        ),
        (
            {"type": "array", **KEYED, "items": {"type": "object", "properties": {"k": {"type": "string"}}}},
            ".items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must "
            "have a default or be a required property",
        ),
        (
            {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}},
            ".items.x-kubernetes-map-type: Required value: must be atomic as item of a list with "
            "x-kubernetes-list-type=set",
        ),
        (
            {"type": "object", "x-kubernetes-embedded-resource": True},
            ".properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without "
            "x-kubernetes-preserve-unknown-fields",
        ),
        (
            {"type": "object", "anyOf": [{"properties": {"b": {"minimum": 1}}}]},
            f".properties[b]: Required value: because it is defined in {AT}.anyOf[0].properties[b]",
        ),
        (
            {"type": "string", "allOf": [{"nullable": True}]},
            ".allOf[0].nullable: Forbidden: must be false to be structural",
        ),
        (
            {"type": "object", "default": {"b": 1}},
            '.default: Invalid value: {"b":1}: must not have unknown fields',
        ),
        (
            {"type": "string", "pattern": "("},
            '.pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: error parsing regexp: '
            "missing ): (",
        ),
        (
            {"type": "string", "pattern": "a(?!b)"},
            '.pattern: Invalid value: "a(?!b)": must be a valid regular expression, but isn\'t: error parsing regexp: '
            "invalid perl operator: (?!",
        ),
    ],
)
def test_levels(schema, problem):
    assert told(under(a=schema)) == [AT + problem]


@pytest.mark.parametrize(
    "schema",
    [
        {**EITHER, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        {**EITHER, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"pattern": "a"}]},
        {"type": "array", "items": EITHER},
        {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
        {
            "type": "object",
            "properties": {"b": {"type": "string"}},
            "oneOf": [{"required": ["b"]}, {"not": {"required": ["b"]}}],
        },
        {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "anyOf": [{"properties": {"b": {"minLength": 1}}}],
        },
        {"type": "object", "properties": {"b": {"type": "string"}}, "default": {"b": "x"}},
        {"type": "string", "pattern": "^(?i)[[:alpha:]]+(?P<n>x)$"},
        {"x-kubernetes-preserve-unknown-fields": True},
        {"type": "string", "nullable": True, "default": None},
    ],
)
def test_structural_levels_pass(schema):
    assert told(under(a=schema)) == []


def test_metadata_is_not_the_schemas():
    metadata = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}
    assert told({"type": "object", "properties": {"metadata": metadata}}) == []
    metadata["properties"]["labels"] = {"type": "object"}
    assert told({"type": "object", "properties": {"metadata": metadata}}) == [
        "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is "
        "implicitly specified"
    ]
