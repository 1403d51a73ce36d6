"""Paths to fields, and what is wrong with them, worded as k8s.io/apimachinery's validation/field."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A path such as `spec.containers[0].name`."""

    text: str = ""

    def child(self, *names: str) -> "FieldPath":
        """The path of a field below."""
        return FieldPath(".".join((self.text, *names)) if self.text else ".".join(names))

    def index(self, position: int) -> "FieldPath":
        """The path of a list's item."""
        return FieldPath(f"{self.text}[{position}]")

    def key(self, name: str) -> "FieldPath":
        """The path of a map's value."""
        return FieldPath(f"{self.text}[{name}]")

    def __str__(self) -> str:
        return self.text or "<nil>"


_WORDS = {
    "FieldValueRequired": "Required value",
    "FieldValueInvalid": "Invalid value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "FieldValueNotFound": "Not found",
    "FieldValueTypeInvalid": "Invalid value",
    "InternalError": "Internal error",
}
_WITHOUT_VALUE = {
    "FieldValueRequired",
    "FieldValueForbidden",
    "FieldValueTooLong",
    "InternalError",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field.

    Attributes:
        type: The cause's reason, as `FieldValueInvalid`.
        field: The path, as text.
        bad_value: What was there.
        detail: Why it is wrong.
    """

    type: str
    field: str
    bad_value: Any = None
    detail: str = ""

    def body(self) -> str:
        """The text without the path."""
        text = _WORDS.get(self.type, self.type)
        if self.type not in _WITHOUT_VALUE:
            text += f": {_shown(self.bad_value)}"
        return f"{text}: {self.detail}" if self.detail else text

    def __str__(self) -> str:
        return f"{self.field}: {self.body()}"


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, (str, dict, list, bool)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def required(path: FieldPath, detail: str = "") -> FieldError:
    """The field must be given."""
    return FieldError("FieldValueRequired", str(path), "", detail)


def invalid(path: FieldPath, value: Any, detail: str) -> FieldError:
    """The value breaks a rule."""
    return FieldError("FieldValueInvalid", str(path), value, detail)


def not_supported(path: FieldPath, value: Any, supported: Sequence[str]) -> FieldError:
    """The value is not one of a set."""
    listed = ", ".join(json.dumps(one) for one in supported)
    return FieldError("FieldValueNotSupported", str(path), value, f"supported values: {listed}" if supported else "")


def duplicate(path: FieldPath, value: Any) -> FieldError:
    """The value is there twice."""
    return FieldError("FieldValueDuplicate", str(path), value)


def forbidden(path: FieldPath, detail: str) -> FieldError:
    """The field may not be given, or not be changed."""
    return FieldError("FieldValueForbidden", str(path), "", detail)


def too_long(path: FieldPath, value: Any, most: int) -> FieldError:
    """The value is too long."""
    return FieldError("FieldValueTooLong", str(path), value, f"may not be more than {most} bytes")


def too_many(path: FieldPath, count: int, most: int) -> FieldError:
    """The list has too many items."""
    return FieldError("FieldValueTooMany", str(path), count, f"must have at most {most} items")


def not_found(path: FieldPath, value: Any) -> FieldError:
    """What the value names does not exist."""
    return FieldError("FieldValueNotFound", str(path), value)


def type_invalid(path: FieldPath, value: Any, detail: str) -> FieldError:
    """The value is of the wrong type."""
    return FieldError("FieldValueTypeInvalid", str(path), value, detail)
