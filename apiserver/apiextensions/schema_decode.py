"""Checks the types of CRD schemas where upstream's Go types are unions: `items`, `additionalProperties`… (pure).

What stands there is a schema, or a list of them, or a boolean; the tables of built-in kinds can't say that.
"""

from __future__ import annotations

from typing import Any, Final

from apimachinery.errors import BadRequest
from apimachinery.objects.metadata import Obj
from apimachinery.schema.decode import DecodeError, decode_value
from apimachinery.schema.tables import definition

_NAME: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
# field -> what else it may be, and how Go calls the union
_UNIONS: Final[dict[str, tuple[type, str]]] = {
    "items": (list, "v1.JSONSchemaPropsOrArray"),
    "additionalProperties": (bool, "v1.JSONSchemaPropsOrBool"),
    "additionalItems": (bool, "v1.JSONSchemaPropsOrBool"),
}
_MAPS: Final = ("properties", "patternProperties", "definitions", "dependencies")
_LISTS: Final = ("allOf", "anyOf", "oneOf")


def decode(crd: Obj) -> Obj:
    """Check all schemas of a decoded CRD and drop what they don't have, in place; returns the CRD.

    Raises:
        BadRequest: a value is of the wrong type.
    """
    for version in (crd.get("spec") or {}).get("versions") or ():
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        try:
            _decode_below(schema)
        except DecodeError as error:
            kind = "CustomResourceDefinition"
            raise BadRequest(f'{kind} in version "v1" cannot be handled as a {kind}: {error.text}') from error
    return crd


def _decode_below(schema: Any) -> None:
    if not isinstance(schema, dict):
        return
    for field, (other, go_type) in _UNIONS.items():
        if field in schema:
            schema[field] = _union(field, schema[field], other, go_type)
    for field in _MAPS:
        parts = schema.get(field)
        if isinstance(parts, dict):
            for name, part in parts.items():
                parts[name] = _union(f"{field}.{name}", part, list, "v1.JSONSchemaPropsOrStringArray")
    for field in _LISTS:
        for part in schema.get(field) or ():
            _decode_below(part)
    _decode_below(schema.get("not"))


def _union(field: str, value: Any, other: type, go_type: str) -> Any:
    if isinstance(value, dict):
        try:
            decoded = decode_value(value, definition(_NAME))
        except DecodeError as error:
            error.path.append(field)
            raise
        _decode_below(decoded)
        return decoded
    if isinstance(value, other):
        return [_union(field, one, str, go_type) for one in value] if isinstance(value, list) else value
    raise DecodeError(f"json: cannot unmarshal into Go struct field JSONSchemaProps.{field} of type {go_type}")
