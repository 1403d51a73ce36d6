"""`pattern` of schemas: RE2's syntax and meaning.

Python's own expressions match the same once they are spelt for it, and cost less; the RE2 of the CEL library judges
those that only one of the two can read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

_CLASSES: Final = {
    "[:alpha:]": "a-zA-Z",
    "[:digit:]": "0-9",
    "[:alnum:]": "a-zA-Z0-9",
    "[:upper:]": "A-Z",
    "[:lower:]": "a-z",
    "[:space:]": r"\t\n\v\f\r ",
    "[:xdigit:]": "0-9A-Fa-f",
    "[:word:]": "0-9A-Za-z_",
    "[:punct:]": r"!-/:-@\[-`{-~",
}
# Groups other than plain ones, references, possessive and long repetitions: not the same in both, or only in one.
_DIFFERS: Final = re.compile(r"\(\?(?!:|i\))|\\[1-9pPQCEk]|[*+?}]\+|\{\d{4,}|\{,")
_STATUS: Final = re.compile(r"^.*invalid regular expression: | \[[A-Z_]+\]$")
_PIECE: Final = re.compile(r"\\z|\\.|\[:\w+:\]|.", re.DOTALL)


@lru_cache(maxsize=1)
def _re2() -> Any:
    from apiserver.admission import cel_environment

    cel = cel_environment.native()
    return cel.NewEnv(variables={"x": cel.Type.STRING, "p": cel.Type.STRING}).compile("x.matches(p)")


def _matches(text: str, pattern: str) -> Any:
    return _re2().eval(data={"x": text, "p": pattern}).plain_value()


def _spelt(pattern: str) -> str:
    """Return how Python spells a pattern: `$` is the end, not the last newline either."""
    out, inside = [], False
    for match in _PIECE.finditer(pattern):
        piece = match.group()
        if inside:
            inside = piece != "]"
            piece = _CLASSES.get(piece, piece)
        elif piece == "[":
            inside = True
        elif piece in ("$", r"\z"):
            piece = r"\Z"
        out.append(piece)
    return "".join(out)


@lru_cache(maxsize=2048)
def problem(pattern: str) -> str:
    """Tell what is wrong with a pattern, "" for nothing."""
    if not _DIFFERS.search(pattern):
        try:
            re.compile(_spelt(pattern), re.ASCII)
        except re.error:
            pass
        else:
            return ""
    found = _matches("", pattern)
    return "" if isinstance(found, bool) else f"error parsing regexp: {_STATUS.sub('', str(found))}"


@lru_cache(maxsize=2048)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a pattern is found in a text; one that can't be read is found in all."""
    if not _DIFFERS.search(pattern):
        try:
            compiled = re.compile(_spelt(pattern), re.ASCII)
        except re.error:
            pass
        else:
            return lambda text: compiled.search(text) is not None
    return lambda text: _matches(text, pattern) is not False
