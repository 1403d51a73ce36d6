"""Requests in `application/vnd.kubernetes.protobuf` to the JSON form of the same object. Pure.

A body is the magic `k8s\\0`, then `runtime.Unknown` {typeMeta, raw}; raw is the object's message. Field numbers come
from `messages.tsv` (see `generate`) and, for kinds kubectl doesn't know, from `extension_messages.tsv` (kept by hand).
Zero values that JSON would leave out are left out here, too.
"""

from __future__ import annotations

import base64
import datetime
import struct
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from apimachinery.errors import BadRequest

MAGIC = b"k8s\0"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH = 64
_GROUPS = {"": "core"}


class MalformedError(ValueError):
    """Bytes that are no protobuf message of the expected kind."""


class _Field:
    """One field of a message: JSON name, how to read it, whether it repeats, whether zero is left out."""

    __slots__ = ("code", "drop", "message", "name", "shape")

    def __init__(self, text: str) -> None:
        self.name, code = text.split(":", 1)
        self.drop = code.endswith("?")
        code = code.removesuffix("?")
        self.shape = code[0] if code[0] in "*%" else ""
        code = code.removeprefix(self.shape)
        self.code, self.message = code[0], code[1:]


@lru_cache(maxsize=1)
def _table() -> dict[str, str]:
    texts = [Path(__file__).with_name(name).read_text() for name in ("messages.tsv", "extension_messages.tsv")]
    rows = (line.partition("\t") for text in texts for line in text.splitlines())
    return {name: fields for name, _, fields in rows}


@lru_cache(maxsize=512)
def _message(name: str) -> dict[int, _Field]:
    fields = {}
    for part in _table()[name].split():
        number, _, rest = part.partition(":")
        fields[int(number)] = _Field(rest)
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise MalformedError("truncated or oversized varint")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _parts(data: bytes) -> list[tuple[int, int, Any]]:
    """Cut a message into (number, wire type, value)."""
    found: list[tuple[int, int, Any]] = []
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            found.append((number, wire, value))
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise MalformedError(f"wire type {wire}")
        if at + size > len(data):
            raise MalformedError("truncated field")
        found.append((number, wire, data[at : at + size]))
        at += size
    return found


def _text(value: Any) -> str:
    if not isinstance(value, bytes):
        raise MalformedError("expected text")
    return value.decode("utf-8")


def _first(value: Any, default: Any = None) -> dict[int, Any]:
    del default
    if not isinstance(value, bytes):
        raise MalformedError("expected a message")
    return {number: part for number, _, part in _parts(value)}


def _moment(value: Any) -> datetime.datetime | None:
    parts = _first(value)
    if not parts:
        return None
    seconds, nanos = _signed(parts.get(1, 0)), _signed(parts.get(2, 0))
    start = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    try:
        return start + datetime.timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError as error:
        raise MalformedError("time out of range") from error


def _time(value: Any) -> str | None:
    moment = _moment(value)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def _micro_time(value: Any) -> str | None:
    moment = _moment(value)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _duration(value: Any) -> str:
    nanos = _signed(_first(value).get(1, 0))
    return f"{nanos / 1e9:.9f}".rstrip("0").rstrip(".") + "s"


def _raw_json(value: Any) -> Any:
    raw = _first(value).get(1)
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except (orjson.JSONDecodeError, TypeError) as error:
        raise MalformedError("embedded object is not JSON") from error


def _int_or_string(value: Any) -> int | str:
    parts = _first(value)
    if parts.get(1, 0) == 1:
        return _text(parts.get(3, b""))
    number = _signed(parts.get(2, 0))
    return number if -(2**31) <= number < 2**31 else number - 2**32


def _integer(value: Any) -> int:
    if not isinstance(value, int):
        raise MalformedError("expected a number")
    return _signed(value)


def _boolean(value: Any) -> bool:
    return bool(_integer(value))


def _float(value: Any) -> float | int:
    if not isinstance(value, bytes) or len(value) not in (4, 8):
        raise MalformedError("expected a float")
    number = float(struct.unpack("<d" if len(value) == 8 else "<f", value)[0])
    return int(number) if number.is_integer() else number


def _binary(value: Any) -> str:
    if not isinstance(value, bytes):
        raise MalformedError("expected bytes")
    return base64.b64encode(value).decode()


def _texts(value: Any) -> list[str]:
    if not isinstance(value, bytes):
        raise MalformedError("expected a message")
    return [_text(part) for number, _, part in _parts(value) if number == 1]


def _quantity(value: Any) -> str:
    return _text(_first(value).get(1, b""))


_READERS: dict[str, Callable[[Any], Any]] = {
    "s": _text,
    "b": _boolean,
    "i": _integer,
    "f": _float,
    "y": _binary,
    "T": _time,
    "U": _micro_time,
    "D": _duration,
    "Q": _quantity,
    "I": _int_or_string,
    "R": _raw_json,
    "X": _texts,
}


def _read(field: _Field, value: Any, depth: int) -> Any:
    if field.code == "M":
        if not isinstance(value, bytes):
            raise MalformedError("expected a message")
        return decode_message(field.message, value, depth + 1)
    if field.code in "AB":
        return _schema_or(field, value, depth)
    return _READERS[field.code](value)


def _schema_or(field: _Field, value: Any, depth: int) -> Any:
    """Read JSONSchemaPropsOrArray (A) or …OrBool (B): one of two fields says what JSON has in that place."""
    if not isinstance(value, bytes):
        raise MalformedError("expected a message")
    parts = _parts(value)
    schemas = [
        decode_message(field.message, part, depth + 1)
        for number, wire, part in parts
        if wire == _BYTES and number in (1, 2)
    ]
    if field.code == "B":
        return schemas[0] if schemas else any(part for number, _, part in parts if number == 1)
    return schemas if any(number == 2 for number, _, _ in parts) else schemas[0] if schemas else None


def _entry(field: _Field, value: Any, depth: int) -> tuple[str, Any]:
    parts = _first(value)
    default: Any = b"" if field.code not in "ibf" else 0
    return _text(parts.get(1, b"")), _read(field, parts.get(2, default), depth)


def _packed(field: _Field, value: bytes) -> list[Any]:
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(_read(field, number, 0))
    return found


def decode_message(name: str, data: bytes, depth: int = 0) -> dict[str, Any]:
    """Return a message as JSON; unknown fields are passed over."""
    if depth > _MAX_DEPTH:
        raise MalformedError("nested too deeply")
    fields = _message(name)
    result: dict[str, Any] = {}
    for number, wire, value in _parts(data):
        field = fields.get(number)
        if field is None:
            continue
        if field.shape == "*":
            values = result.setdefault(field.name, [])
            if wire == _BYTES and field.code in "ib":
                values.extend(_packed(field, value))
            else:
                values.append(_read(field, value, depth))
        elif field.shape == "%":
            key, item = _entry(field, value, depth)
            result.setdefault(field.name, {})[key] = item
        else:
            _put(result, field, _read(field, value, depth))
    return result


def _put(result: dict[str, Any], field: _Field, value: Any) -> None:
    if value is None or (field.drop and field.code != "M" and not value):
        return
    if field.name:
        result[field.name] = value
    elif isinstance(value, dict):  # an embedded struct: its fields are the parent's
        result.update(value)


def message_name(api_version: str, kind: str) -> str:
    """Return a kind's message name."""
    group, slash, version = api_version.rpartition("/")
    short = group.removesuffix(".k8s.io").split(".")[0] if slash else "core"
    return f"{_ALIASES.get(group, short)}/{version}.{kind}"


_ALIASES = {"rbac.authorization.k8s.io": "rbac", "flowcontrol.apiserver.k8s.io": "flowcontrol"}


def decode(body: bytes, *, expected: tuple[str, str] | None = None) -> dict[str, Any]:
    """Return the object in a protobuf body; `BadRequest` when there is none.

    Args:
        body: the request's body.
        expected: (apiVersion, kind) where the envelope leaves them out (DeleteOptions).
    """
    if not body.startswith(MAGIC):
        raise BadRequest("provided data does not appear to be a protobuf message, expected prefix k8s")
    try:
        envelope = _first(body[len(MAGIC) :])
        meta = _first(envelope.get(1, b""))
        api_version, kind = _text(meta.get(1, b"")), _text(meta.get(2, b""))
        if not kind and expected:
            api_version, kind = expected
        name = message_name(api_version, kind)
        if kind == "DeleteOptions":
            name = "meta/v1.DeleteOptions"
        if name not in _table():
            raise BadRequest(f'no kind "{kind}" is registered for version "{api_version}" in protobuf')
        raw = envelope.get(2, b"")
        if not isinstance(raw, bytes):
            raise MalformedError("expected a message")
        return {"apiVersion": api_version, "kind": kind, **decode_message(name, raw)}
    except (MalformedError, UnicodeDecodeError) as error:
        raise BadRequest(f"unable to decode protobuf: {error}") from error
