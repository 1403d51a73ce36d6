"""Rewrites Kubernetes' CEL source into what the CEL library accepts (text to text, pure).

The library (`common-expression-language`) parses and evaluates; it lacks four spellings that Kubernetes has, each of
which says the same as a longer one that the library has:

    Object{spec: Object.spec{a: 1}}    a map literal
    x.?a.b   x[?i]                     x.optField("a").optField("b")   x.optIndex(i)
    cel.bind(v, a, e)                  [a].map(v, e)[0]
    x.all(k, v, e)   o.optMap(v, e)    over a list of entries; over a list of none or one
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<string>[rR]?[bB]?[rR]?(?:
        \"\"\"(?:\\.|[^\\])*?\"\"\" | '''(?:\\.|[^\\])*?''' | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'
    ))
  | (?P<number>0[xX][0-9a-fA-F]+[uU]?|\d+\.\d+(?:[eE][+-]?\d+)?|\d+(?:[eE][+-]?\d+)?[uU]?|\.\d+)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`]*`)
  | (?P<mark>\.\?|&&|\|\||==|!=|<=|>=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_CLOSERS: Final = {"(": ")", "[": "]", "{": "}"}
_TWO_VARIABLES: Final = frozenset({"all", "exists", "existsOne", "exists_one", "transformList", "transformMap"})
_ONE_VARIABLE: Final = frozenset({"all", "exists", "existsOne", "exists_one", "map", "filter", "sortBy"})
_KEYWORDS: Final = frozenset({"in", "true", "false", "null"})
_NEEDS_REWRITE: Final = re.compile(
    r"\.\?|\[\s*\?|\bcel\.bind|[A-Za-z0-9_]\s*\{|\b(all|exists|existsOne|exists_one|transformList|transformMap|optMap|"
    r"optFlatMap|sortBy)\s*\("
)


@dataclass(slots=True)
class Token:
    """One token, or a bracketed group of them (`items`)."""

    kind: str
    text: str
    items: list[Token] | None = None


def _scan(source: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(source):
        kind = match.lastgroup or "mark"
        if kind != "space":
            yield Token(kind, match.group())


def _group(tokens: Iterator[Token], closer: str = "") -> list[Token] | None:
    out: list[Token] = []
    for token in tokens:
        if token.text == closer and token.kind == "mark":
            return out
        if token.kind == "mark" and token.text in _CLOSERS:
            items = _group(tokens, _CLOSERS[token.text])
            if items is None:
                return None
            out.append(Token("group", token.text, items))
        elif token.kind == "mark" and token.text in ")]}":
            return None
        else:
            out.append(token)
    return None if closer else out


def _split(items: list[Token]) -> list[list[Token]]:
    out: list[list[Token]] = [[]]
    for item in items:
        if item.kind == "mark" and item.text == ",":
            out.append([])
        else:
            out[-1].append(item)
    return [part for part in out if part]


def _is(token: Token | None, text: str, kind: str = "mark") -> bool:
    return token is not None and token.kind == kind and token.text == text


def _replace(items: list[Token], names: dict[str, str]) -> list[Token]:
    """Put other text in the place of free names."""
    out: list[Token] = []
    for position, item in enumerate(items):
        if item.items is not None:
            out.append(Token(item.kind, item.text, _replace(item.items, names)))
        elif item.kind == "name" and item.text in names and not (position and items[position - 1].text in (".", ".?")):
            out.append(Token("name", names[item.text]))
        else:
            out.append(item)
    return out


class _Writer:
    """Writes one sequence of tokens."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.optional = False
        self.entries = 0

    def sequence(self, items: list[Token]) -> str:
        """Return the rewritten text of a sequence."""
        saved, self.out = self.out, []
        saved_optional, self.optional = self.optional, False
        position = 0
        while position < len(items):
            position = self._one(items, position)
        text, self.out, self.optional = " ".join(self.out), saved, saved_optional
        return text

    def _one(self, items: list[Token], i: int) -> int:
        token = items[i]
        following = items[i + 1] if i + 1 < len(items) else None
        third = items[i + 2] if i + 2 < len(items) else None
        if token.kind == "name" and token.text not in _KEYWORDS:
            end = self._struct(items, i)
            if end:
                return end
            if token.text == "cel" and _is(following, ".") and _is(third, "bind", "name"):
                return self._bind(items, i)
        if _is(token, ".?") and following is not None:
            self.optional = True
            self.out.append(f'.optField("{following.text.strip("`")}")')
            return i + 2
        if _is(token, ".") and following is not None and following.kind == "name":
            return self._member(i, following, third)
        if token.kind == "group":
            self._bracket(items[i - 1] if i else None, token)
            return i + 1
        if token.kind == "mark":
            self.optional = False
        self.out.append(token.text)
        return i + 1

    def _struct(self, items: list[Token], i: int) -> int:
        """Write `Type.name{field: value}` as a map; return where to go on, 0 when it is none."""
        end = i + 1
        while end + 1 < len(items) and _is(items[end], ".") and items[end + 1].kind == "name":
            end += 2
        body = items[end] if end < len(items) else None
        if body is None or body.kind != "group" or body.text != "{":
            return 0
        if i and items[i - 1].text in (".", ".?"):
            return 0
        fields = []
        for part in _split(body.items or []):
            if len(part) > 2 and part[0].kind == "name" and _is(part[1], ":"):
                fields.append(f'"{part[0].text.strip("`")}": {self.sequence(part[2:])}')
            else:
                fields.append(self.sequence(part))
        self.out.append("{" + ", ".join(fields) + "}")
        return end + 1

    def _bind(self, items: list[Token], i: int) -> int:
        call = items[i + 3] if i + 3 < len(items) else None
        parts = _split(call.items or []) if call is not None else []
        if len(parts) != 3:
            self.out.append(items[i].text)
            return i + 1
        name, value, body = (self.sequence(part) for part in parts)
        self.out.append(f"[{value}].map({name}, {body})[0]")
        return i + 4

    def _member(self, i: int, name: Token, call: Token | None) -> int:
        if call is None or call.kind != "group" or call.text != "(":
            if self.optional:
                self.out.append(f'.optField("{name.text.strip("`")}")')
            else:
                self.out.append(f".{name.text}")
            return i + 2
        self.optional = False
        parts = _split(call.items or [])
        self.out.append(self._macro(name.text, parts) or f".{name.text}({self.sequence(call.items or [])})")
        return i + 3

    def _macro(self, name: str, parts: list[list[Token]]) -> str:
        if name in ("optMap", "optFlatMap") and len(parts) == 2:
            ending = "optFirst" if name == "optMap" else "optFlatten"
            return f".optList().map({parts[0][0].text}, {self.sequence(parts[1])}).{ending}()"
        if name == "existsOne" and len(parts) == 2:
            return f".exists_one({parts[0][0].text}, {self.sequence(parts[1])})"
        if name == "sortBy" and len(parts) == 2:
            variable = parts[0][0].text
            return f".map({variable}, [{self.sequence(parts[1])}, {variable}]).sortPairs()"
        plain = all(len(part) == 1 and part[0].kind == "name" for part in parts[:2])
        if name in _TWO_VARIABLES and plain and len(parts) >= 3:
            return self._two(name, parts)
        return ""

    def _two(self, name: str, parts: list[list[Token]]) -> str:
        self.entries += 1
        entry = f"entry__{self.entries}"
        names = {parts[0][0].text: f"{entry}.key", parts[1][0].text: f"{entry}.value"}
        bodies = [self.sequence(_replace(part, names)) for part in parts[2:]]
        if name in ("transformList", "transformMap"):
            result = bodies[-1] if name == "transformList" else f"[{entry}.key, {bodies[-1]}]"
            condition = f"{bodies[0]}, " if len(bodies) == 2 else ""
            ending = ".mapOfPairs()" if name == "transformMap" else ""
            return f".entries().map({entry}, {condition}{result}){ending}"
        macro = "exists_one" if name in ("existsOne", "exists_one") else name
        return f".entries().{macro}({entry}, {bodies[0]})"

    def _bracket(self, previous: Token | None, token: Token) -> None:
        inside = token.items or []
        postfix = previous is not None and (previous.kind in ("name", "string", "group"))
        if token.text == "[" and postfix and inside and _is(inside[0], "?"):
            self.optional = True
            self.out.append(f".optIndex({self.sequence(inside[1:])})")
        elif token.text == "[" and postfix and self.optional:
            self.out.append(f".optIndex({self.sequence(inside)})")
        else:
            self.out.append(f"{token.text}{self.sequence(inside)}{_CLOSERS[token.text]}")


@lru_cache(maxsize=4096)
def rewrite(source: str) -> str:
    """Return the source the library understands; text that can't be read comes back as it is."""
    if not _NEEDS_REWRITE.search(source):
        return source
    items = _group(_scan(source))
    return source if items is None else _Writer().sequence(items)


def macro_depth(source: str) -> int:
    """Return how deep comprehensions are nested in each other."""

    def walk(items: list[Token]) -> int:
        deepest = 0
        for position, item in enumerate(items):
            if item.items is None:
                continue
            inside = walk(item.items)
            macro = items[position - 1].text if position else ""
            deepest = max(deepest, inside + (item.text == "(" and macro in _ONE_VARIABLE))
        return deepest

    return walk(_group(_scan(rewrite(source))) or [])


def bound_names(source: str) -> set[str]:
    """Return the names macros bind (they are no references to variables)."""
    names: set[str] = set()

    def walk(items: list[Token]) -> None:
        for position, item in enumerate(items):
            if item.items is None:
                continue
            walk(item.items)
            macro = items[position - 1].text if position else ""
            if item.text == "(" and macro in _ONE_VARIABLE:
                first = _split(item.items)[:1]
                if first and len(first[0]) == 1 and first[0][0].kind == "name":
                    names.add(first[0][0].text)

    walk(_group(_scan(rewrite(source))) or [])
    return names
