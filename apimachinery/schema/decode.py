"""Reads a JSON object as a kind: types are checked, values brought to the form Go would store, the rest dropped.

One pass does what decoding into Go structs does: unknown fields and nulls vanish, empty optional lists, maps and texts
are not stored, quantities and times get their canonical spelling. A value of the wrong type is a `BadRequest` worded as
upstream's.
"""

import binascii
import datetime
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from apimachinery.errors import BadRequest
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import QuantityError, canonical
from apimachinery.schema.tables import Schema

_TIME = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ")
_MICRO_TIME = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z")
_GO_KINDS = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
_INT32 = 2**31
_INT64 = 2**63


class DecodeError(Exception):
    """A value does not have the shape of its field.

    Attributes:
        path: Field names from the inside out.
        struct: The Go struct that has the field.
    """

    def __init__(self, problem: str, *, go_type: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.go_type = go_type
        self.path: list[str] = []
        self.struct = ""

    @property
    def text(self) -> str:
        """The message, as Go's JSON decoder would put it."""
        if not self.go_type:
            return self.problem
        if not self.path:
            return f"json: cannot unmarshal {self.problem} into Go value of type {self.go_type}"
        where = ".".join(reversed(self.path))
        return (
            f"json: cannot unmarshal {self.problem} into Go struct field {self.struct}.{where} of type {self.go_type}"
        )


def decode(obj: Obj, schema: Schema) -> Obj:
    """A new object with what the kind knows of the given one.

    Raises:
        BadRequest: if a value is of the wrong type.
    """
    try:
        made: Obj = (schema.decoder or _compiled(schema))(obj)
    except DecodeError as error:
        parts = schema.name.split(".")
        kind = obj.get("kind") or parts[-1]
        version = str(obj.get("apiVersion") or ".".join(parts[1:-1])).rpartition("/")[2]
        raise BadRequest(f'{kind} in version "{version}" cannot be handled as a {kind}: {error.text}') from error
    return made


def decode_value(value: Any, schema: Schema) -> Any:
    """A new value with what a shape knows of the given one; `DecodeError`."""
    return (schema.decoder or _compiled(schema))(value)


def _wrong(value: Any, schema: Schema) -> DecodeError:
    return DecodeError("null" if value is None else _GO_KINDS.get(type(value), "value"), go_type=_go_type(schema))


def _go_type(schema: Schema | None) -> str:
    if schema is None:
        return "interface {}"
    if schema.name:
        version, _, name = schema.name.rpartition(".")
        return f"{version.rpartition('.')[2]}.{name}"
    if schema.special:
        return {"int-or-string": "intstr.IntOrString", "quantity": "resource.Quantity"}.get(schema.special, "v1.Time")
    if schema.type == "array":
        return f"[]{_go_type(schema.items)}"
    if schema.additional is not None:
        return f"map[string]{_go_type(schema.additional)}"
    if schema.format == "byte":
        return "[]uint8"
    kinds = {
        "boolean": "bool",
        "integer": schema.format or "int64",
        "number": "float64",
        "object": "map[string]interface {}",
    }
    return kinds.get(schema.type, schema.type)


def _struct_decoder(schema: Schema) -> Callable[[Any], Any]:
    properties = schema.properties
    keep = schema.preserve_unknown
    struct = schema.name.rpartition(".")[2]
    required = frozenset(schema.required)

    def read(value: Any) -> Any:
        if type(value) is not dict:
            if value is None:
                return {}
            raise _wrong(value, schema)
        made = {}
        for field, item in value.items():
            child = properties.get(field)
            if child is None:
                if keep:
                    made[field] = item
                continue
            if type(item) is child.plain:
                if item or not child.drop_zero:
                    made[field] = item
                continue
            if item is None:
                if field in required and (child.type == "array" or child.nullable):
                    made[field] = None
                continue
            try:
                item = (child.decoder or _compiled(child))(item)
            except DecodeError as error:
                error.path.append(field)
                error.struct = error.struct or struct
                raise
            if item or not child.drop_zero:
                made[field] = item
        return made

    return read


def _map_decoder(schema: Schema) -> Callable[[Any], Any]:
    values = schema.additional
    assert values is not None
    plain = values.plain

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise _wrong(value, schema)
        made = {}
        for key, item in value.items():
            if type(item) is plain:
                made[key] = item
            elif item is None:
                made[key] = None if values.nullable else _zero(values)
            else:
                made[key] = (values.decoder or _compiled(values))(item)
        return made

    return read


def _zero(schema: Schema) -> Any:
    if schema.special == "quantity":
        return "0"
    zeros = {"string": "", "integer": 0, "number": 0, "boolean": False, "object": {}}
    return zeros.get(schema.type) if schema.special in ("", "int-or-string") else None


def _list_decoder(schema: Schema) -> Callable[[Any], Any]:
    items = schema.items or Schema()
    plain = items.plain

    def read(value: Any) -> Any:
        if type(value) is not list:
            raise _wrong(value, schema)
        one = items.decoder or _compiled(items)
        return [
            item if type(item) is plain else ((None if items.nullable else _zero(items)) if item is None else one(item))
            for item in value
        ]

    return read


def _string(schema: Schema) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is str:
            return value
        raise _wrong(value, schema)

    return read


def _bytes(schema: Schema) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is not str:
            raise _wrong(value, schema)
        try:
            binascii.a2b_base64(value.replace("\n", "").replace("\r", "").encode(), strict_mode=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            bad = re.search(r"[^A-Za-z0-9+/\r\n]", value)
            raise DecodeError(f"illegal base64 data at input byte {bad.start() if bad else len(value)}") from error
        return value

    return read


def _integer(schema: Schema) -> Callable[[Any], Any]:
    most = _INT32 if schema.format == "int32" else _INT64
    go_type = schema.format or "int64"

    def read(value: Any) -> Any:
        if type(value) is int:
            if -most <= value < most:
                return value
            raise DecodeError(f"number {value}", go_type=go_type)
        if type(value) is float:
            if value.is_integer() and -most <= value < most:
                return int(value)
            raise DecodeError(f"number {value}", go_type=go_type)
        raise _wrong(value, schema)

    return read


def _boolean(schema: Schema) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is bool:
            return value
        raise _wrong(value, schema)

    return read


def _number(schema: Schema) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is int or type(value) is float:
            return value
        raise _wrong(value, schema)

    return read


_canonical = lru_cache(maxsize=2048)(canonical)


def _quantity(schema: Schema) -> Callable[[Any], Any]:
    del schema

    def read(value: Any) -> Any:
        if type(value) not in (str, int, float):
            raise DecodeError("unrecognized type: quantity must be a string or a number")
        try:
            return _canonical(value)
        except QuantityError as error:
            raise DecodeError(str(error)) from error

    return read


def _time(schema: Schema) -> Callable[[Any], Any]:
    micro = schema.special == "micro-time"
    form = (_MICRO_TIME if micro else _TIME).fullmatch

    def read(value: Any) -> Any:
        if type(value) is not str:
            raise _wrong(value, schema)
        if form(value):
            return value
        try:
            moment = datetime.datetime.fromisoformat(value)
            if moment.tzinfo is None or "T" not in value:
                raise ValueError(value)
            moment = moment.astimezone(datetime.UTC)
        except (ValueError, OverflowError) as error:
            layout = "2006-01-02T15:04:05.000000Z07:00" if micro else "2006-01-02T15:04:05Z07:00"
            raise DecodeError(f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"') from error
        text = moment.strftime("%m-%dT%H:%M:%S.%fZ" if micro else "%m-%dT%H:%M:%SZ")
        return f"{moment.year:04d}-{text}"

    return read


def _int_or_string(schema: Schema) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is str or type(value) is int:
            return value
        raise _wrong(value, schema)

    return read


def _anything(schema: Schema) -> Callable[[Any], Any]:
    del schema
    return lambda value: value


_SPECIAL = {
    "quantity": _quantity,
    "time": _time,
    "micro-time": _time,
    "int-or-string": _int_or_string,
    "any": _anything,
}
_BY_TYPE = {"string": _string, "integer": _integer, "boolean": _boolean, "number": _number, "array": _list_decoder}


def _compiled(schema: Schema) -> Callable[[Any], Any]:
    if schema.special:
        make = _SPECIAL[schema.special]
    elif schema.type == "string" and schema.format == "byte":
        make = _bytes
    elif schema.type == "object":
        if schema.additional is not None and not schema.properties:
            make = _map_decoder
        elif not schema.properties and schema.preserve_unknown:
            make = _anything
        else:
            make = _struct_decoder
    else:
        make = _BY_TYPE.get(schema.type, _anything)
    schema.decoder = made = make(schema)
    return made
