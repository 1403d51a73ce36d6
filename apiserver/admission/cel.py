"""CEL as the API server uses it: compiled once, evaluated with Kubernetes' functions.

The library's native module is loaded by its file on first use, because its Python package also loads a command line
(220 ms and 20 MB that a server has no use for). Evaluation is synchronous and holds the loop: a rule costs some ten
microseconds.
"""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from apiserver.admission.cel_source import bound_names, macro_depth, rewrite

# Names the language itself declares.
_WORDS: Final = """
    math sets base64 optional cel lists format jsonpatch type strings int uint double bool string bytes list map
    null_type dyn google timestamp duration ip
"""
_BUILT_IN: Final = frozenset(_WORDS.split())
_NATIVE: Final = """
    size contains startsWith endsWith matches int uint double string bytes timestamp duration dyn type has of none
    ofNonZeroValue value hasValue orValue or getFullYear getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear
    getHours getMinutes getSeconds getMilliseconds max min optMap optFlatMap
"""
_NATIVE_FUNCTIONS: Final = frozenset(_NATIVE.split())
# The native evaluator recurses over chains of operators and calls and dies with the process at some 15,000.
_MOST_CHARACTERS: Final = 100_000
_MOST_MARKS: Final = 5_000
# Evaluation can't be interrupted; this many steps of a nested comprehension take about a second.
_MOST_STEPS: Final = 4_000_000
_MARKS: Final = re.compile(r"[^\w\s\"',:)\]}]")


class CompileError(Exception):
    """The expression is no CEL, or refers to what isn't there."""


class EvaluationError(Exception):
    """The expression failed on this input."""


class _Library:
    """The native module, its functions, and contexts to evaluate in."""

    def __init__(self) -> None:
        found = importlib.util.find_spec("cel")
        places = list(found.submodule_search_locations or ()) if found is not None else []
        path = next((file for place in places for file in Path(place).glob("cel.*.so")), None)
        if path is None:
            raise CompileError("the CEL library is not installed")
        spec = importlib.util.spec_from_file_location("cel", path)
        if spec is None or spec.loader is None:
            raise CompileError("the CEL library can't be loaded")
        self.native: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.native)
        # What an expression's function complains of is its result, not news for the server's log.
        logging.getLogger("cel").setLevel(logging.CRITICAL)
        from apiserver.admission.cel_authorizer import table as authorizer_table
        from apiserver.admission.cel_functions import table

        self.functions: dict[str, Callable[..., Any]] = {**table(self.native.OptionalValue), **authorizer_table()}
        self.plain_names = {name.rpartition(".")[2] for name in self.functions} | _NATIVE_FUNCTIONS
        self._contexts: dict[tuple[str, ...], Any] = {}

    def context(self, names: tuple[str, ...]) -> Any:
        """Return the context for a set of variable names (values are put in before each evaluation)."""
        context = self._contexts.get(names)
        if context is None:
            context = self.native.Context({}, self.functions)
            self._contexts[names] = context
        return context


_library: _Library | None = None


def library() -> _Library:
    """Load the library on first use."""
    global _library
    if _library is None:
        _library = _Library()
    return _library


def _largest(value: Any) -> int:
    """Return the length of the longest list or map in a value."""
    if isinstance(value, dict):
        return max(len(value), max(map(_largest, value.values()), default=0))
    if isinstance(value, list):
        return max(len(value), max(map(_largest, value), default=0))
    return 0


class Expression:
    """One compiled expression."""

    __slots__ = ("_depth", "_program", "source", "variables")

    def __init__(self, source: str, program: Any, variables: frozenset[str]) -> None:
        self.source = source
        self._depth = macro_depth(source)
        self._program = program
        self.variables = variables
        """The variables it refers to."""

    def evaluate(self, values: dict[str, Any]) -> Any:
        """Return the value.

        Args:
            values: variables; those it does not refer to are not converted.

        Raises:
            EvaluationError: with cel-go's wording where clients see it.
        """
        names = tuple(sorted(name for name in self.variables if name in values))
        if self._depth > 1 and max((_largest(values[name]) for name in names), default=0) ** self._depth > _MOST_STEPS:
            raise EvaluationError("operation cancelled: actual cost limit exceeded")
        context = library().context(names)
        try:
            for name in names:
                context.add_variable(name, values[name])
            return self._program.execute(context)
        except KeyError as error:
            raise EvaluationError(f"no such key: {error.args[0] if error.args else ''}") from error
        except ZeroDivisionError as error:
            raise EvaluationError("division by zero") from error
        except (TypeError, ValueError, RuntimeError, IndexError, OverflowError) as error:
            text = str(error)
            raise EvaluationError("no such overload" if text.startswith("No such overload") else text) from error


_compiled: dict[tuple[str, frozenset[str]], Expression] = {}


def _told(source: str, what: str, name: str = "") -> str:
    column = max(source.find(name), 0) if name else 0
    line = source.count("\n", 0, column) + 1
    column -= source.rfind("\n", 0, column) + 1
    shown = source.split("\n")[line - 1] if source else ""
    return f"ERROR: <input>:{line}:{column + 1}: {what}\n | {shown}\n | {'.' * column}^"


def compile_expression(source: str, variables: Iterable[str]) -> Expression:
    """Compile (once per text and set of variables).

    Raises:
        CompileError: with cel-go's wording, without the `compilation failed: ` before it.
    """
    declared = frozenset(variables)
    key = (source, declared)
    known = _compiled.get(key)
    if known is not None:
        return known
    native = library().native
    if len(source) > _MOST_CHARACTERS or len(_MARKS.findall(source)) > _MOST_MARKS:
        raise CompileError(_told(source[:80], f"expression code point size exceeds limit: size: {len(source)}"))
    try:
        program = native.compile(rewrite(source))
    except (ValueError, RuntimeError) as error:
        text = (str(error).partition("': ")[2] or str(error)).replace("\n|", "\n |")
        raise CompileError(text if text.startswith("ERROR") else _told(source, f"Syntax error: {text}")) from error
    used = set(program.variables())
    unknown = used - declared - _BUILT_IN - bound_names(source) - {n for n in used if n.startswith("entry__")}
    if unknown:
        name = min(unknown, key=source.find)
        raise CompileError(_told(source, f"undeclared reference to '{name}' (in container '')", name))
    for name in program.functions():
        if (name[:1].isalpha() or name[:1] == "_") and name.isidentifier() and name not in library().plain_names:
            if name.strip("_") != name and not name.strip("_").isalnum():
                continue
            raise CompileError(_told(source, f"undeclared reference to '{name}' (in container '')", name))
    if len(_compiled) > 4096:
        _compiled.clear()
    expression = Expression(source, program, frozenset(used & declared))
    _compiled[key] = expression
    return expression
