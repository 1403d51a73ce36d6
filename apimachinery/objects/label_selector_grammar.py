"""The text form of label selectors: `a=b,c!=d,e in (f,g),h,!i,j>3`; what is wrong is worded as upstream does."""

import re
from functools import lru_cache

from apimachinery.objects.names import label_value_problems, qualified_name_problems
from apimachinery.objects.selectors import EVERYTHING, Requirement, Selector, SelectorError

_TOKEN = re.compile(r"[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^=!(),<> \t\r\n]+))?")
_OPERATORS = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt", "in": "in", "notin": "notin"}
_SPECIAL = frozenset(("==", "!=", "=", "!", "(", ")", ",", "<", ">"))
_END = ""


class _Tokens:
    """The tokens of a selector, one looked at ahead. The end is an empty one."""

    def __init__(self, text: str) -> None:
        self._texts: list[str] = []
        place = 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            assert found is not None  # every character is white, special, or part of a name
            if found.end() == place:
                break
            place = found.end()
            token = found[1] or found[2]
            if token:
                self._texts.append(token)
        self._texts.append(_END)
        self._next = 0

    @property
    def ahead(self) -> str:
        """The next token."""
        return self._texts[self._next]

    def take(self) -> str:
        """The next token, and go on."""
        token = self._texts[self._next]
        self._next = min(self._next + 1, len(self._texts) - 1)
        return token


def _is_name(token: str) -> bool:
    return token != _END and token not in _SPECIAL


@lru_cache(maxsize=1024)
def parse_label_selector(text: str) -> Selector:
    """A selector.

    Raises:
        SelectorError: if it is not of that form.
    """
    tokens = _Tokens(text)
    found: list[Requirement] = []
    if tokens.ahead == _END:
        return EVERYTHING
    while True:
        if not _is_name(tokens.ahead) and tokens.ahead != "!":
            raise SelectorError(f"found '{tokens.ahead}', expected: !, identifier, or 'end of string'")
        try:
            found.append(_requirement(tokens))
        except SelectorError as error:
            raise SelectorError(f"unable to parse requirement: {error}") from error
        token = tokens.take()
        if token == _END:
            return Selector(tuple(found))
        if token != ",":
            raise SelectorError(f"found '{token}', expected: ',' or 'end of string'")
        if not _is_name(tokens.ahead) and tokens.ahead != "!":
            raise SelectorError(f"found '{tokens.ahead}', expected: identifier after ','")


def _requirement(tokens: _Tokens) -> Requirement:
    key = tokens.take()
    absent = key == "!"
    if absent:
        key = tokens.take()
    if not _is_name(key):
        raise SelectorError(f"found '{key}', expected: identifier")
    problems = qualified_name_problems(key)
    if problems:
        raise SelectorError(f'<nil>: Invalid value: "{key}": {"; ".join(problems)}')
    if absent:
        return Requirement(key, "!")
    if tokens.ahead in (_END, ","):
        return Requirement(key, "exists")
    sign = tokens.take()
    operator = _OPERATORS.get(sign)
    if operator is None:
        raise SelectorError(f"found '{sign}', expected: in, notin, =, ==, !=, gt, lt")
    values = _values(tokens) if sign in ("in", "notin") else {_exact_value(tokens)}
    _check(key, operator, sorted(values))
    return Requirement(key, operator, frozenset(values))


def _exact_value(tokens: _Tokens) -> str:
    if tokens.ahead in (_END, ","):
        return ""
    token = tokens.take()
    if not _is_name(token):
        raise SelectorError(f"found '{token}', expected: identifier")
    return token


def _values(tokens: _Tokens) -> set[str]:
    token = tokens.take()
    if token != "(":
        raise SelectorError(f"found '{token}' expected: '('")
    first = tokens.ahead
    if first == ")":
        tokens.take()
        return set()
    if not _is_name(first) and first != ",":
        raise SelectorError(f"found '{first}', expected: ',', ')' or identifier")
    found = {""} if first == "," else set()
    while True:
        if tokens.ahead == ",":
            tokens.take()
            if tokens.ahead in (",", ")"):
                found.add("")
        elif tokens.ahead == ")":
            tokens.take()
            return found
        elif _is_name(tokens.ahead):
            found.add(tokens.take())
            if tokens.ahead not in (",", ")"):
                raise SelectorError(f"found '{tokens.ahead}', expected: ',' or ')'")
        else:
            raise SelectorError(f"found '{tokens.ahead}', expected: ',', or identifier")


def _check(key: str, operator: str, values: list[str]) -> None:
    errors = []
    if not values:
        errors.append("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if operator in ("gt", "lt") and not re.fullmatch(r"[-+]?[0-9]+", values[0]):
        why = "for 'Gt', 'Lt' operators, the value must be an integer"
        errors.append(f'values[0]: Invalid value: "{values[0]}": {why}')
    for position, value in enumerate(values):
        problems = label_value_problems(value)
        if problems:
            errors.append(f'values[{position}][{key}]: Invalid value: "{value}": {"; ".join(problems)}')
    if errors:
        raise SelectorError(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")
