"""The types of CEL rules in CRDs: what a schema level is for a rule, and how large it can get (pure).

Rules see what the schema tells of: fields without a type that is known don't exist for them. Sizes bound what a rule
can cost; where the schema has no limit, the largest request body is one.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2

from apimachinery.objects.metadata import Obj

MOST_BYTES: Final = 3 * 1024 * 1024
"""The largest request."""
_Field = descriptor_pb2.FieldDescriptorProto
# format of a string -> CEL type, smallest size as JSON, most characters
_FORMATS: Final = {
    "byte": ("bytes", 2, MOST_BYTES - 2),
    "duration": ("duration", 4, 32),
    "date": ("timestamp", 12, 12),
    "date-time": ("timestamp", 21, 37),
}
_SIMPLE: Final = {"boolean": ("bool", 4), "integer": ("int", 1), "number": ("double", 1)}
_WELL_KNOWN: Final = {
    "timestamp": ".google.protobuf.Timestamp",
    "duration": ".google.protobuf.Duration",
    "dyn": ".google.protobuf.Value",
    "list": ".google.protobuf.ListValue",
    "map": ".google.protobuf.Struct",
}
_SCALARS: Final = {
    "bool": _Field.TYPE_BOOL,
    "int": _Field.TYPE_INT64,
    "double": _Field.TYPE_DOUBLE,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}
_PACKAGE: Final = "selfType"


@dataclass(slots=True)
class Declared:
    """The type of a schema level.

    Attributes:
        kind: `object`, `list`, `map`, or a simple CEL type.
        least_size: bytes of its shortest JSON.
        most: the most elements or characters it can have.
        fields: of an object, by the names CEL has for them.
        item: of a list or map.
        message: of an object: the name of its message type.
    """

    kind: str
    least_size: int = 2
    most: int = 1
    fields: dict[str, Declared] = field(default_factory=dict)
    item: Declared | None = None
    message: str = ""


_STRING: Final = Declared("string", most=MOST_BYTES - 2)


class Types:
    """The types of one schema; `escape` gives the CEL name of a property."""

    def __init__(self, schema: Obj, escape: Callable[[str], str], *, root: bool = False) -> None:
        self._escape = escape
        self._by_level: dict[int, Declared | None] = {}
        self._objects: list[Declared] = []
        self._schema = schema
        self.root = self._declare(schema, whole=root)

    def of(self, level: Obj) -> Declared | None:
        """Return the type of a level of the schema, None where rules can't see it."""
        return self._by_level.get(id(level))

    def pool(self, declared: Declared | None = None) -> Any:
        """Return the descriptors of the objects in a type, as messages; of the whole schema for None."""
        file = descriptor_pb2.FileDescriptorProto(name="self.proto", package=_PACKAGE, syntax="proto2")
        pool = descriptor_pool.DescriptorPool()
        for known in (struct_pb2, timestamp_pb2, duration_pb2):
            pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
            file.dependency.append(known.DESCRIPTOR.name)
        for one in self._objects if declared is None else _objects_in(declared):
            message = file.message_type.add(name=one.message)
            message.options.deprecated_legacy_json_field_conflicts = True
            for number, (name, part) in enumerate(one.fields.items(), 1):
                _add_field(message, name, number, part, one.fields)
        pool.AddSerializedFile(file.SerializeToString())
        return pool

    def _declare(self, schema: Obj, *, whole: bool = False) -> Declared | None:
        declared = self._declared(schema, whole=whole or bool(schema.get("x-kubernetes-embedded-resource")))
        self._by_level[id(schema)] = declared
        return declared

    def _declared(self, schema: Obj, *, whole: bool) -> Declared | None:
        kind = schema.get("type", "")
        if schema.get("x-kubernetes-int-or-string"):
            return Declared("dyn", 1, MOST_BYTES - 2)
        if kind == "array":
            items = schema.get("items")
            item = self._declare(items) if isinstance(items, dict) else None
            if item is None:
                return None
            return Declared("list", 2, most_items(schema, item), item=item)
        if kind == "object" or whole:
            return self._object(schema, whole=whole)
        if kind == "string":
            return _string(schema)
        return Declared(*_SIMPLE[kind]) if kind in _SIMPLE else None

    def _object(self, schema: Obj, *, whole: bool) -> Declared | None:
        additional = schema.get("additionalProperties")
        if isinstance(additional, dict) and not whole:
            item = self._declare(additional)
            return None if item is None else Declared("map", 2, most_properties(schema, item), item=item)
        needed = schema.get("required") or ()
        out = Declared("object", message=f"object{len(self._objects)}")
        self._objects.append(out)
        for name, part in (schema.get("properties") or {}).items():
            declared = self._declare(part)
            if declared is None:
                continue
            known = self._escape(name)
            if known.isascii() and known.isidentifier():
                out.fields[known] = declared
            if name in needed and "default" not in part:
                out.least_size += len(name) + declared.least_size + 4
        if whole:
            names = Declared("object", message=f"object{len(self._objects)}")
            names.fields = {"name": _STRING, "generateName": _STRING}
            self._objects.append(names)
            out.fields |= {"apiVersion": _STRING, "kind": _STRING, "metadata": names}
        return out


def _objects_in(declared: Declared) -> list[Declared]:
    found: dict[str, Declared] = {}
    waiting = [declared]
    while waiting:
        one = waiting.pop()
        if one.item is not None:
            waiting.append(one.item)
        if one.message and one.message not in found:
            found[one.message] = one
            waiting += one.fields.values()
    return list(found.values())


def _string(schema: Obj) -> Declared:
    kind, least, most = _FORMATS.get(schema.get("format", ""), ("string", 2, MOST_BYTES - 2))
    if kind in ("string", "bytes") and schema.get("maxLength") is not None:
        most = max(schema["maxLength"], 0)
    elif kind == "string" and schema.get("enum"):
        most = max(len(one) for one in schema["enum"] if isinstance(one, str)) if schema["enum"] else most
    return Declared(kind, least, most)


def most_items(schema: Obj, item: Declared) -> int:
    """Return how many items a list can have."""
    limit = schema.get("maxItems")
    return max(limit, 0) if limit is not None else (MOST_BYTES - 2) // (item.least_size + 1)


def most_properties(schema: Obj, item: Declared) -> int:
    """Return how many entries a map can have."""
    limit = schema.get("maxProperties")
    return max(limit, 0) if limit is not None else (MOST_BYTES - 2) // (item.least_size + 6)


def spelt(declared: Declared) -> str:
    """Return the type as CEL's declarations spell it."""
    if declared.kind == "object":
        return f"{_PACKAGE}.{declared.message}"
    if declared.item is not None:
        item = spelt(declared.item)
        return f"list<{item}>" if declared.kind == "list" else f"map<string,{item}>"
    return declared.kind


def _add_field(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, declared: Declared, taken: Container[str]
) -> None:
    made = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL, json_name=f"field{number}")
    if declared.kind == "list" and declared.item is not None:
        made.label = _Field.LABEL_REPEATED
        declared = declared.item
    elif declared.kind == "map" and declared.item is not None and _add_entry(message, made, declared.item, taken):
        return
    _set_type(made, declared)


def _add_entry(message: descriptor_pb2.DescriptorProto, made: Any, item: Declared, taken: Container[str]) -> bool:
    """Make a field a map; False where that can't be said, since the name of an entry follows from its field's."""
    name = "".join(part[:1].upper() + part[1:] for part in made.name.split("_")) + "Entry"
    if name in taken or any(one.name == name for one in message.nested_type):
        return False
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
    _set_type(entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL), item)
    made.label = _Field.LABEL_REPEATED
    made.type, made.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{message.name}.{name}"
    return True


def _set_type(made: descriptor_pb2.FieldDescriptorProto, declared: Declared) -> None:
    if declared.kind in _SCALARS:
        made.type = _SCALARS[declared.kind]
    elif declared.kind == "object":
        made.type, made.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{declared.message}"
    else:
        # Lists and maps right inside others are of anything.
        made.type, made.type_name = _Field.TYPE_MESSAGE, _WELL_KNOWN[declared.kind]
