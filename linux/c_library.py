"""Functions of C libraries, with `_ctypes` alone.

The package ctypes around it costs a fresh interpreter more than a millisecond, a tenth of what a network plugin's call
takes: it makes a type for everything that C has, and these are four.
"""

from __future__ import annotations

import _ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

INT, UNSIGNED, POINTER, TEXT = "i", "I", "P", "z"
_TYPES: dict[str, Any] = {
    code: type(f"c_{code}", (_ctypes._SimpleCData,), {"_type_": code})  # noqa: SLF001 - ctypes' own way
    for code in (INT, UNSIGNED, POINTER, TEXT)
}
_FLAGS = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
_FUNCTIONS: dict[str, Any] = {
    code: type(f"function_{code}", (_ctypes.CFuncPtr,), {"_flags_": _FLAGS, "_restype_": made})
    for code, made in _TYPES.items()
}

get_errno = _ctypes.get_errno


class Library:
    """A library; without a name, what the interpreter itself is linked with (libc).

    Raises:
        OSError: it is not there.
    """

    __slots__ = ("_handle",)

    def __init__(self, name: str | None = None) -> None:
        self._handle = _ctypes.dlopen(name, 0)  # type: ignore[arg-type] # None is what typeshed has not heard of

    def function(self, name: str, result: str, *arguments: str) -> Callable[..., Any]:
        """A function: what it returns, and what it takes.

        Raises:
            AttributeError: the library has none of that name.
        """
        found = _FUNCTIONS[result]((name, self))
        found.argtypes = [_TYPES[code] for code in arguments]
        return found  # type: ignore[no-any-return]
