"""Reads, checks and compiles CEL expressions; what the library lacks of Kubernetes' CEL is put into their trees."""

from __future__ import annotations

import re
from typing import Any, Final

from apiserver.admission import cel_environment, cel_optionals, cel_syntax
from apiserver.admission.cel import STATUS, CompileError, Expression
from apiserver.admission.cel_functions import MAP_OF_ENTRIES, RANGE, RENAMED

# The library checks text of this length in some 20 ms.
_MOST_CHARACTERS: Final = 100_000
_OBJECTS: Final = re.compile(r"(Object|JSONPatch)(\.\w+)*")
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


def _first_name(match: re.Match[str]) -> str:
    """Tell of a chain of unknown names the first, at its place."""
    name = match["name"]
    back = len(name.rpartition(".")[0])
    dots = match["dots"][back:] if back <= len(match["dots"]) else ""
    first = name.partition(".")[0]
    return f"{match['line']}{int(match['column']) - back}: undeclared reference to '{first}'{match['rest']}{dots}^"


def _compile_words(text: str) -> str:
    text = _UNDECLARED.sub(_first_name, STATUS.sub("", text))
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
    try:
        cel_optionals.check(tree.expr, optional)
    except cel_optionals.MisplacedError as error:
        raise CompileError(_told(source, "an optional value can't be an element or an argument")) from error
    cel_syntax.structs_to_maps(tree.expr, lambda name: bool(_OBJECTS.fullmatch(name)))
    cel_syntax.maps_from_entries(tree.expr, MAP_OF_ENTRIES.name)
    for call, name in cel_syntax.calls(tree.expr):
        function = call.call_expr.function
        if name == "lists.range":
            # The library's takes whatever memory it is told.
            call.call_expr.ClearField("target")
            call.call_expr.function = RANGE.name
        elif len(call.call_expr.args) == 1:
            call.call_expr.function = RENAMED.get(function, function)
        if {name, function} & cel_environment.OPTIONAL_RESULTS:
            cel_syntax.to_optional(call)
    if optional & used:
        for one in cel_syntax.inside_out(tree.expr):
            if one.WhichOneof("kind") == "ident_expr" and one.ident_expr.name in optional:
                cel_syntax.to_optional(one)
    made = cel_environment.evaluating(declared).deserialize(cel_syntax.written(tree))
    loops = any(one.WhichOneof("kind") == "comprehension_expr" for one in cel_syntax.walk(tree.expr))
    return Expression(source, made, frozenset(used & declared), tree if loops else None)


def type_name(checked: Any) -> str:
    """Return the name of the type a checked expression has, without parameters."""
    try:
        name: str = checked.return_type().name()
    except RuntimeError:
        # A map whose keys are none.
        return "map"
    return name.partition("<")[0].lower()


def check_untyped(source: str, declared: frozenset[str]) -> str:
    """Check an expression over variables of any type and return what it evaluates to, "" for what can't be told.

    Raises:
        CompileError: with cel-go's wording, without the `compilation failed: ` before it.
    """
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
