import pytest

from apimachinery.errors import BadRequest
from apiserver.apiextensions import schema_decode


def decoded(schema):
    crd = {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}
    return schema_decode.decode(crd)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def test_what_schemas_inside_of_unions_do_not_have_is_dropped():
    inner = {"type": "string", "maxLength": 5, "junk": 1}
    schema = {"type": "array", "items": {"type": "object", "additionalProperties": inner}, "allOf": [{"items": inner}]}
    assert decoded(schema) == {
        "type": "array",
        "items": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 5}},
        "allOf": [{"items": {"type": "string", "maxLength": 5}}],
    }
    assert decoded({"additionalProperties": True, "items": [{"type": "string"}]}) == {
        "additionalProperties": True,
        "items": [{"type": "string"}],
    }


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"items": {"maxLength": "5"}}, "cannot unmarshal string into Go struct field JSONSchemaProps.items.maxLength"),
        ({"items": {"items": {"required": 5}}}, "JSONSchemaProps.items.required of type []string"),
        ({"properties": {"a": {"not": {"items": {"not": True}}}}}, "cannot unmarshal bool into Go struct field"),
        ({"items": 5}, "cannot unmarshal into Go struct field JSONSchemaProps.items of type v1.JSONSchemaPropsOrArray"),
        ({"additionalProperties": "x"}, "of type v1.JSONSchemaPropsOrBool"),
        ({"anyOf": [{"additionalProperties": {"enum": 1}}]}, "additionalProperties.enum"),
    ],
)
def test_wrong_types_are_told(schema, told):
    with pytest.raises(BadRequest) as refused:
        decoded(schema)
    assert refused.value.message.startswith('CustomResourceDefinition in version "v1" cannot be handled as a ')
    assert told in refused.value.message
