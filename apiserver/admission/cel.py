"""CEL as the API server uses it: checked, compiled once, evaluated with Kubernetes' functions.

Evaluation is synchronous and holds the loop: a rule costs some five microseconds. The library ends an evaluation after
10,000 steps of comprehensions, and reads expressions at most 32 levels deep.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from apiserver.admission import cel_environment, cel_syntax
from apiserver.admission.cel_functions import MAP_OF_ENTRIES, RENAMED

# The library checks text of this length in some 20 ms.
_MOST_CHARACTERS: Final = 100_000
COST_LIMIT_EXCEEDED: Final = "operation cancelled: actual cost limit exceeded"
_OBJECTS: Final = re.compile(r"(Object|JSONPatch)(\.\w+)*")
_STATUS: Final = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
# The library's wording -> cel-go's.
_COMPILE_WORDS: Final = (
    (re.compile(r"undefined field '([^']*)' not found in struct '[^']*'"), r"undefined field '\1'"),
    (
        re.compile(r"expression of type '([^']*)' cannot be the operand of a select operation"),
        r"type '\1' does not support field selection",
    ),
)
_UNDECLARED: Final = re.compile(
    r"(?P<line>ERROR: <input>:\d+:)(?P<column>\d+): undeclared reference to '(?P<name>\w+(?:\.\w+)+)'"
    r"(?P<rest>[^\n]*\n \| [^\n]*\n \| )(?P<dots>\.*)\^"
)
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

    __slots__ = ("_program", "source", "type", "variables")

    def __init__(self, source: str, program: Any, variables: frozenset[str]) -> None:
        self.source = source
        self._program = program
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
        try:
            result = self._program.eval(data={name: values[name] for name in self.variables if name in values})
            value = result.plain_value()
            failed = result.type().name() == "ERROR"
        except (RuntimeError, TypeError, ValueError, OverflowError) as error:
            raise EvaluationError(_evaluation_words(str(error))) from error
        if failed:
            raise EvaluationError(_evaluation_words(str(value)))
        return value


def _evaluation_words(text: str) -> str:
    text = _STATUS.sub("", text)
    for pattern, words in _EVALUATION_WORDS:
        match = pattern.fullmatch(text)
        if match:
            return match.expand(words)
    return text


def _first_name(match: re.Match[str]) -> str:
    """Tell of a chain of unknown names the first, at its place."""
    name = match["name"]
    back = len(name.rpartition(".")[0])
    dots = match["dots"][back:] if back <= len(match["dots"]) else ""
    first = name.partition(".")[0]
    return f"{match['line']}{int(match['column']) - back}: undeclared reference to '{first}'{match['rest']}{dots}^"


def _compile_words(text: str) -> str:
    text = _UNDECLARED.sub(_first_name, _STATUS.sub("", text))
    for pattern, words in _COMPILE_WORDS:
        text = pattern.sub(words, text)
    # What follows from an error is none.
    return "\n".join(part for part in re.split(r"\n(?=ERROR: )", text) if "'*error*'" not in part)


def _told(source: str, what: str, name: str = "") -> str:
    column = max(source.find(name), 0) if name else 0
    line = source.count("\n", 0, column) + 1
    column -= source.rfind("\n", 0, column) + 1
    shown = source.split("\n")[line - 1] if source else ""
    return f"ERROR: <input>:{line}:{column + 1}: {what}\n | {shown}\n | {'.' * column}^"


def _compiled_by(environment: Any, source: str, *, unchecked: bool = False) -> Any:
    if len(source) > _MOST_CHARACTERS:
        raise CompileError(_told(source[:80], f"expression code point size exceeds limit: size: {len(source)}"))
    try:
        return environment.compile(source, disable_check=unchecked)
    except (RuntimeError, ValueError) as error:
        text = _compile_words(str(error))
        if "recursion" in text:
            text = "expression recursion limit exceeded. limit: 32"
        raise CompileError(text if text.startswith("ERROR") else _told(source[:80], text)) from error


def check(environment: Any, source: str, optional: str = "") -> Any:
    """Check an expression and return the library's expression (its type, its tree).

    Args:
        environment: what it is checked in.
        source: the expression.
        optional: a variable that is an optional of the type it is declared with.

    Raises:
        CompileError: with cel-go's wording, without the `compilation failed: ` before it.
    """
    if not optional:
        return _compiled_by(environment, source)
    # The library can't declare optionals; a line of its own leaves the columns of the source as they are.
    try:
        return _compiled_by(environment, f"cel.bind({optional}, optional.of({optional}),\n{source}\n)")
    except CompileError as error:
        earlier = re.sub(r"(?<=ERROR: <input>:)\d+", lambda match: str(int(match[0]) - 1), str(error))
        raise CompileError(earlier) from error


def parse(source: str, declared: frozenset[str]) -> Any:
    """Return the tree of an expression.

    Raises:
        CompileError: it is no CEL.
    """
    parsed = _compiled_by(cel_environment.evaluating(declared), source, unchecked=True)
    return cel_syntax.read(parsed.serialize())


def program(source: str, declared: frozenset[str], optional: frozenset[str] = frozenset()) -> Expression:
    """Make an expression ready for evaluation, without checking what it refers to.

    Args:
        source: the expression.
        declared: the variables there are.
        optional: variables that are optional; their values are lists of none or one.

    Raises:
        CompileError: it is no CEL.
    """
    tree = parse(source, declared)
    used = cel_syntax.names(tree.expr)
    cel_syntax.structs_to_maps(tree.expr, lambda name: bool(_OBJECTS.fullmatch(name)))
    cel_syntax.maps_from_entries(tree.expr, MAP_OF_ENTRIES.name)
    for call, name in cel_syntax.calls(tree.expr):
        function = call.call_expr.function
        if len(call.call_expr.args) == 1:
            call.call_expr.function = RENAMED.get(function, function)
        if {name, function} & cel_environment.OPTIONAL_RESULTS:
            cel_syntax.to_optional(call)
    if optional & used:
        for one in cel_syntax.inside_out(tree.expr):
            if one.WhichOneof("kind") == "ident_expr" and one.ident_expr.name in optional:
                cel_syntax.to_optional(one)
    made = cel_environment.evaluating(declared).deserialize(cel_syntax.written(tree))
    return Expression(source, made, frozenset(used & declared))


def type_name(checked: Any) -> str:
    """Return the name of the type a checked expression has, without parameters."""
    name: str = checked.return_type().name()
    return name.partition("<")[0].lower()


def _check_untyped(source: str, declared: frozenset[str]) -> str:
    tree = parse(source, declared)
    if any(
        one.WhichOneof("kind") == "struct_expr" and _OBJECTS.fullmatch(one.struct_expr.message_name)
        for one in cel_syntax.walk(tree.expr)
    ):
        _check_names(source, tree.expr, declared)
        return ""
    return type_name(check(cel_environment.checking_untyped(declared), source))


def _check_names(source: str, expr: Any, declared: frozenset[str]) -> None:
    """Check what the library can't: expressions that make objects of types it doesn't know."""
    known = cel_environment.FUNCTION_NAMES
    spaces = {name.partition(".")[0] for name in known if "." in name}
    unknown = cel_syntax.names(expr) - declared - spaces - cel_environment.TYPE_NAMES
    called = ((call.call_expr.function, name) for call, name in cel_syntax.calls(expr))
    wrong = [function for function, name in called if function[:1].isalpha() and not known & {name, function}]
    for name in (*sorted(unknown, key=source.find), *wrong):
        raise CompileError(_told(source, f"undeclared reference to '{name}' (in container '')", name))


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
    kind = _check_untyped(source, declared)
    if len(_compiled) > 4096:
        _compiled.clear()
    expression = program(source, declared)
    expression.type = kind
    _compiled[key] = expression
    return expression
