"""Where CEL's optional values may stand (pure).

The library dies with the process when an optional value inside of a list or map, or handed to a function of ours, has
to become a Python value. So optionals stay among themselves: they are made, asked and unwrapped by what CEL has for
them, and nothing else. What makes an optional is told by its name, so this needs no types.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from apiserver.admission import cel_syntax

_MAKERS: Final = frozenset(
    {"_?._", "_[?_]", "optional.of", "optional.none", "optional.ofNonZeroValue", "first", "last", "or", "validate"}
) | {"format.named"}
_ASKED: Final = frozenset({"hasValue", "value", "or", "orValue", "unwrap", "unwrapOpt"})
_OPERATORS: Final = frozenset({"_?._", "_[?_]", "_[_]"})
_COMPARED: Final = frozenset({"_==_", "_!=_"})


class MisplacedError(Exception):
    """An optional value stands where it must not."""


def check(expr: Any, optional: Iterable[str] = ()) -> None:
    """Check an expression.

    Args:
        expr: its tree.
        optional: the variables that are optional.

    Raises:
        MisplacedError: naming nothing; the place has no name of its own.
    """
    _is_optional(expr, dict.fromkeys(optional, True))


def _plain(expr: Any, scope: dict[str, bool]) -> None:
    if _is_optional(expr, scope):
        raise MisplacedError


def _is_optional(expr: Any, scope: dict[str, bool]) -> bool:
    kind = expr.WhichOneof("kind")
    if kind == "ident_expr":
        return scope.get(expr.ident_expr.name, False)
    if kind == "select_expr":
        # A field of an optional is an optional, whether it is there is not.
        return _is_optional(expr.select_expr.operand, scope) and not expr.select_expr.test_only
    if kind == "call_expr":
        return _of_call(expr, scope)
    if kind == "list_expr":
        free = set(expr.list_expr.optional_indices)
        for position, item in enumerate(expr.list_expr.elements):
            (_is_optional if position in free else _plain)(item, scope)
    elif kind == "struct_expr":
        for entry in expr.struct_expr.entries:
            if entry.HasField("map_key"):
                _plain(entry.map_key, scope)
            (_is_optional if entry.optional_entry else _plain)(entry.value, scope)
    elif kind == "comprehension_expr":
        return _of_loop(expr.comprehension_expr, scope)
    return False


def _of_call(expr: Any, scope: dict[str, bool]) -> bool:
    call = expr.call_expr
    name, arguments = call.function, list(call.args)
    if call.HasField("target"):
        space = cel_syntax.dotted(call.target)
        if f"{space}.{name}" in _MAKERS:
            name = f"{space}.{name}"
        else:
            (_is_optional if name in _ASKED else _plain)(call.target, scope)
    if name == "_?_:_":
        _plain(arguments[0], scope)
        first, second = (_is_optional(branch, scope) for branch in arguments[1:])
        return first or second
    free = len(arguments) if name in _COMPARED or name == "or" else int(name in _OPERATORS | _ASKED)
    if call.HasField("target") and name in ("orValue", "value", "hasValue"):
        free = 0
    found = [(_is_optional if position < free else _plain)(one, scope) for position, one in enumerate(arguments)]
    return name in _MAKERS or (name == "_[_]" and bool(found[0]))


def _of_loop(loop: Any, scope: dict[str, bool]) -> bool:
    _plain(loop.iter_range, scope)
    start = _is_optional(loop.accu_init, scope)
    binds = loop.iter_range.WhichOneof("kind") == "list_expr" and not loop.iter_range.list_expr.elements
    if start and not binds:
        raise MisplacedError
    inner = {**scope, loop.iter_var: False, loop.iter_var2: False, loop.accu_var: start}
    if not binds:
        _plain(loop.loop_condition, inner)
        _plain(loop.loop_step, inner)
    return _is_optional(loop.result, {**scope, loop.accu_var: start})
