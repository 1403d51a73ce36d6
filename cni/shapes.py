"""The shapes of JSON documents: what must be a string, a number, a list or an object, checked before it is read.

A shape is a type, a list of one shape, or an object whose keys have shapes. A key with an asterisk must be there,
others may be missing or null, and keys that a shape does not name may hold anything.
"""

from __future__ import annotations

from cni.errors import INVALID_CONFIG, CNIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WORDS: dict[type, str] = {str: "a string", int: "an integer", bool: "a boolean"}


def check(value: Any, shape: Any, where: str = "", code: int = INVALID_CONFIG) -> None:
    """Raise unless a document has a shape.

    Args:
        value: The document.
        shape: Its shape.
        where: What it is called in the error.
        code: The error's code.

    Raises:
        CNIError: naming the place, and what should be there.
    """
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise _wrong(where, "an object", code)
        for key, inner in shape.items():
            name = key.rstrip("*")
            place = f"{where}.{name}" if where else name
            if value.get(name) is not None:
                check(value[name], inner, place, code)
            elif name != key:
                raise CNIError(code, f"failed to load netconf: {place} is missing")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise _wrong(where, "a list", code)
        for number, one in enumerate(value):
            check(one, shape[0], f"{where}[{number}]", code)
    elif not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
        raise _wrong(where, _WORDS[shape], code)


def _wrong(where: str, words: str, code: int) -> CNIError:
    return CNIError(code, f"failed to load netconf: {where} is not {words}")
