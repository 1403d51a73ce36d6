"""CEL as the API server uses it: checked, compiled once, evaluated with Kubernetes' functions.

Evaluation is synchronous and holds the loop: a rule costs some five microseconds. The library ends an evaluation after
10,000 steps of comprehensions, which `cel_parts` makes up for, and reads expressions at most 32 levels deep.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

COST_LIMIT_EXCEEDED: Final = "operation cancelled: actual cost limit exceeded"
STATUS: Final = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
"""The codes around the library's messages."""
# The library's wording -> cel-go's.
_EVALUATION_WORDS: Final = (
    (re.compile(r'Key not found in map : "?(.*?)"?'), r"no such key: \1"),
    (re.compile(r"No matching overloads found.*"), "no such overload"),
    (re.compile(r"Index error: index=(-?\d+) .*"), r"index out of bounds: \1"),
    (re.compile(r"divide by zero"), "division by zero"),
    (re.compile(r"Iteration budget exceeded"), COST_LIMIT_EXCEEDED),
    (re.compile(r'No value with name "(.*)" found in Activation'), r"no such attribute(s): \1"),
)


class CompileError(Exception):
    """The expression is no CEL, or refers to what isn't there."""


class EvaluationError(Exception):
    """The expression failed on this input."""


class Expression:
    """One compiled expression."""

    __slots__ = ("_program", "_tree", "source", "type", "variables")

    def __init__(self, source: str, program: Any, variables: frozenset[str], tree: Any = None) -> None:
        self.source = source
        self._program = program
        self._tree = tree
        self.type = ""
        """What it evaluates to: bool, string, dyn…; "" where nobody checked."""
        self.variables = variables
        """The variables it refers to."""

    def evaluate(self, values: dict[str, Any]) -> Any:
        """Return the value.

        Args:
            values: variables; those it does not refer to are not converted.

        Raises:
            EvaluationError: with cel-go's wording where clients see it.
        """
        given = {name: values[name] for name in self.variables if name in values}
        try:
            return evaluated(self._program, given)
        except EvaluationError as error:
            if str(error) != COST_LIMIT_EXCEEDED or self._tree is None:
                raise
        from apiserver.admission import cel_parts

        return cel_parts.evaluate(self._tree, given)


def evaluated(program: Any, values: dict[str, Any]) -> Any:
    """Return the value of one of the library's programs.

    Raises:
        EvaluationError: with cel-go's wording where clients see it.
    """
    try:
        result = program.eval(data=values)
        value = result.plain_value()
        failed = result.type().name() == "ERROR"
    except (RuntimeError, TypeError, ValueError, OverflowError, SystemError) as error:
        raise EvaluationError(_evaluation_words(str(error))) from error
    if failed:
        raise EvaluationError(_evaluation_words(str(value)))
    return value


def _evaluation_words(text: str) -> str:
    text = STATUS.sub("", text)
    for pattern, words in _EVALUATION_WORDS:
        match = pattern.fullmatch(text)
        if match:
            return match.expand(words)
    return text


_compiled: dict[tuple[str, frozenset[str]], Expression] = {}


def compile_expression(source: str, variables: Iterable[str]) -> Expression:
    """Check and compile (once per text and set of variables) an expression over variables of any type.

    Raises:
        CompileError: with cel-go's wording, without the `compilation failed: ` before it.
    """
    declared = frozenset(variables)
    key = (source, declared)
    known = _compiled.get(key)
    if known is not None:
        return known
    # Not before the first expression: most servers have none.
    from apiserver.admission import cel_compiler

    kind = cel_compiler.check_untyped(source, declared)
    if len(_compiled) > 4096:
        _compiled.clear()
    expression = cel_compiler.program(source, declared)
    expression.type = kind
    _compiled[key] = expression
    return expression
