"""Drops what a kind does not know, without complaint."""

from apimachinery.objects.metadata import Obj
from apimachinery.schema.decode import DecodeError, decode_value
from apimachinery.schema.tables import Schema


def prune(obj: Obj, schema: Schema) -> Obj:
    """A new object without unknown fields and nulls; the given one where a value is of the wrong type."""
    try:
        made: Obj = decode_value(obj, schema)
    except DecodeError:
        return obj
    return made
