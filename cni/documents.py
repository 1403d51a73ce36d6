"""JSON for a process that lives for twenty milliseconds: the C scanner and encoder without the package around them.

Importing `json` costs a fresh interpreter nine milliseconds (it brings `re` and `enum`); its C core costs nothing.
Where the core is missing or other than expected, the package is used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_BLANK = " \t\n\r"


class _Decoding:
    """What the C scanner asks its decoder for."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner's own scratch

    @staticmethod
    def parse_constant(name: str) -> Any:
        """Refuse NaN and Infinity, which are not JSON."""
        raise ValueError(f"invalid JSON: {name}")


def _refuse(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _compiled() -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    try:
        import _json

        scan = _json.make_scanner(_Decoding())  # type: ignore[arg-type]
        encode = _json.make_encoder(None, _refuse, _json.encode_basestring_ascii, None, ": ", ", ", False, False, True)
    except (ImportError, AttributeError, TypeError):
        return None
    return scan, encode


_CORE = _compiled()


def loads(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: saying what is wrong with it.
    """
    document = text.decode() if isinstance(text, bytes) else text
    if _CORE is None:
        import json

        return json.loads(document)
    start = len(document) - len(document.lstrip(_BLANK))
    try:
        value, end = _CORE[0](document, start)
    except (StopIteration, SystemError):
        # Its way of saying "no JSON" while the package is not there to make the error; the package knows the words.
        import json

        return json.loads(document)
    if document[end:].strip(_BLANK):
        raise ValueError(f"invalid JSON: more text at character {end}")
    return value


def dumps(value: Any) -> str:
    """The JSON text of a value."""
    if _CORE is None:
        import json

        return json.dumps(value)
    return "".join(_CORE[1](value, 0))
