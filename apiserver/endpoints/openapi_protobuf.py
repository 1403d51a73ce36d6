"""OpenAPI v2 as protobuf, the only form in which kubectl takes it (openapi.v2.Document of gnostic).

A table per message says which key of the JSON document goes into which field; keys that begin with `x-` become vendor
extensions, whose values travel as YAML.
"""

import json
import struct
from collections.abc import Callable, Iterable
from typing import Any

from apimachinery.objects.metadata import Obj

# What clients ask for; an answer can't be called so, since media types have no `@`.
MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_Encoder = Callable[[Any], Iterable[bytes]]
_VARINT, _FIXED64, _BYTES = 0, 1, 2


def _varint(number: int) -> bytes:
    made = bytearray()
    number &= 2**64 - 1
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(payload)) + payload


def _text(number: int) -> _Encoder:
    return lambda value: (_field(number, str(value).encode()),)


def _texts(number: int) -> _Encoder:
    return lambda values: (_field(number, str(one).encode()) for one in values)


def _flag(number: int) -> _Encoder:
    return lambda value: (_varint(number << 3 | _VARINT) + b"\x01",) if value else ()


def _integer(number: int) -> _Encoder:
    return lambda value: (_varint(number << 3 | _VARINT) + _varint(int(value)),)


def _double(number: int) -> _Encoder:
    return lambda value: (_varint(number << 3 | _FIXED64) + struct.pack("<d", value),)


def _any(value: Any) -> bytes:
    return _field(2, json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")


def _one_any(number: int) -> _Encoder:
    return lambda value: (_field(number, _any(value)),)


def _anys(number: int) -> _Encoder:
    return lambda values: (_field(number, _any(one)) for one in values)


def _message(table: dict[str, _Encoder], extensions: int, value: Obj) -> bytes:
    parts: list[bytes] = []
    for key, one in value.items():
        encode = table.get(key)
        if encode is not None:
            parts.extend(encode(one))
        elif key.startswith("x-"):
            parts.append(_field(extensions, _named(key, _any(one))))
    return b"".join(parts)


def _named(name: str, payload: bytes) -> bytes:
    return _field(1, name.encode()) + _field(2, payload)


def _schema(value: Obj) -> bytes:
    return _message(_SCHEMA, 31, value)


def _schemas(number: int) -> _Encoder:
    return lambda values: (_field(number, _schema(one)) for one in values)


def _items(value: Any) -> Iterable[bytes]:
    each = value if isinstance(value, list) else [value]
    yield _field(23, b"".join(_field(1, _schema(one)) for one in each))


def _additional(value: Any) -> Iterable[bytes]:
    if isinstance(value, dict):
        yield _field(21, _field(1, _schema(value)))
    else:
        yield _field(21, _varint(2 << 3 | _VARINT) + (b"\x01" if value else b"\x00"))


def _type(value: Any) -> Iterable[bytes]:
    each = value if isinstance(value, list) else [value]
    yield _field(22, b"".join(_field(1, one.encode()) for one in each))


def _properties(value: Obj) -> Iterable[bytes]:
    yield _field(25, b"".join(_field(1, _named(name, _schema(one))) for name, one in value.items()))


_SCHEMA: dict[str, _Encoder] = {
    "$ref": _text(1),
    "format": _text(2),
    "title": _text(3),
    "description": _text(4),
    "default": _one_any(5),
    "multipleOf": _double(6),
    "maximum": _double(7),
    "exclusiveMaximum": _flag(8),
    "minimum": _double(9),
    "exclusiveMinimum": _flag(10),
    "maxLength": _integer(11),
    "minLength": _integer(12),
    "pattern": _text(13),
    "maxItems": _integer(14),
    "minItems": _integer(15),
    "uniqueItems": _flag(16),
    "maxProperties": _integer(17),
    "minProperties": _integer(18),
    "required": _texts(19),
    "enum": _anys(20),
    "additionalProperties": _additional,
    "type": _type,
    "items": _items,
    "allOf": _schemas(24),
    "properties": _properties,
    "example": _one_any(30),
}
_PATH_PARAMETER: dict[str, _Encoder] = {
    "required": _flag(1),
    "in": _text(2),
    "description": _text(3),
    "name": _text(4),
    "type": _text(5),
    "uniqueItems": _flag(19),
}
_QUERY_PARAMETER: dict[str, _Encoder] = {**_PATH_PARAMETER, "type": _text(6), "uniqueItems": _flag(20)}
_BODY_PARAMETER: dict[str, _Encoder] = {
    "description": _text(1),
    "name": _text(2),
    "in": _text(3),
    "required": _flag(4),
    "schema": lambda value: (_field(5, _schema(value)),),
}


def _parameter(value: Obj) -> bytes:
    if value["in"] == "body":
        parameter = _field(1, _message(_BODY_PARAMETER, 6, value))
    elif value["in"] == "path":
        parameter = _field(2, _field(4, _message(_PATH_PARAMETER, 22, value)))
    else:
        parameter = _field(2, _field(3, _message(_QUERY_PARAMETER, 23, value)))
    return _field(1, parameter)


def _parameters(number: int) -> _Encoder:
    return lambda values: (_field(number, _parameter(one)) for one in values)


_RESPONSE: dict[str, _Encoder] = {
    "description": _text(1),
    "schema": lambda value: (_field(2, _field(1, _schema(value))),),
}


def _responses(value: Obj) -> Iterable[bytes]:
    rows = (_field(1, _named(code, _field(1, _message(_RESPONSE, 5, one)))) for code, one in value.items())
    yield _field(9, b"".join(rows))


_OPERATION: dict[str, _Encoder] = {
    "tags": _texts(1),
    "description": _text(3),
    "operationId": _text(5),
    "produces": _texts(6),
    "consumes": _texts(7),
    "parameters": _parameters(8),
    "responses": _responses,
    "schemes": _texts(10),
}


def _operation(number: int) -> _Encoder:
    return lambda value: (_field(number, _message(_OPERATION, 13, value)),)


_PATH: dict[str, _Encoder] = {
    "get": _operation(2),
    "put": _operation(3),
    "post": _operation(4),
    "delete": _operation(5),
    "patch": _operation(8),
    "parameters": _parameters(9),
}


def _paths(value: Obj) -> Iterable[bytes]:
    yield _field(8, b"".join(_field(2, _named(path, _message(_PATH, 10, one))) for path, one in value.items()))


def _definitions(value: Obj) -> Iterable[bytes]:
    yield _field(9, b"".join(_field(1, _named(name, _schema(one))) for name, one in value.items()))


_INFO: dict[str, _Encoder] = {"title": _text(1), "version": _text(2)}
_DOCUMENT: dict[str, _Encoder] = {
    "swagger": _text(1),
    "info": lambda value: (_field(2, _message(_INFO, 7, value)),),
    "paths": _paths,
    "definitions": _definitions,
}


def to_protobuf(document: bytes) -> bytes:
    """The JSON of an OpenAPI v2 document as protobuf."""
    return _message(_DOCUMENT, 16, json.loads(document))
