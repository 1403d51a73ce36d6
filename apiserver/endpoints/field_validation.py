"""`fieldValidation`: the wording of unknown and duplicate fields, as errors (Strict) and as warnings (Warn)."""

from collections.abc import Iterable

from apimachinery.errors import BadRequest
from apimachinery.objects.metadata import Obj
from apimachinery.schema.validate import duplicate_fields


def strict_problems(unknown: Iterable[str], raw: bytes = b"") -> list[str]:
    """`unknown field "spec.foo"` and `duplicate field "spec.replicas"` for what a body has too much.

    Args:
        unknown: Paths of unknown fields.
        raw: The JSON text, if duplicates are to be told.
    """
    problems = [f'unknown field "{path}"' for path in unknown]
    if raw:
        problems.extend(f'duplicate field "{path}"' for path in duplicate_fields(raw))
    return problems


def duplicate_fields_error(obj: Obj, problems: Iterable[str]) -> BadRequest:
    """The answer to a body that strict decoding refuses."""
    kind = obj.get("kind") or ""
    version = str(obj.get("apiVersion") or "").rpartition("/")[2]
    told = ", ".join(problems)
    return BadRequest(f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: {told}')


def not_declared(unknown: Iterable[str]) -> list[str]:
    """How server-side apply words unknown fields: `.spec.foo: field not declared in schema`."""
    return [f".{path}: field not declared in schema" for path in unknown]
