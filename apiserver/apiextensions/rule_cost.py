"""What a CEL rule can cost at most, before anything is known of the object (pure).

The measure is cel-go's: a step costs 1, going over a string a tenth for each character, a comprehension its body for
each element. Lengths come from the schema. CRDs whose rules could cost too much are refused, so the numbers have to be
upstream's (cel-go checker/cost.go, k8s.io/apiserver/pkg/cel/library/cost.go).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from apiserver.admission import cel_syntax
from apiserver.apiextensions.rule_types import Declared

UNBOUNDED: Final = (1 << 64) - 1
_TRAVERSAL: Final = 0.1
_REGEX: Final = 0.25
_LONGEST_NUMBER: Final = 64
_NEW_LIST, _NEW_MAP, _NEW_STRUCT = 10, 30, 40
_STRING_KINDS: Final = (5, 6)
_WELL_KNOWN_SCALARS: Final = (2, 3)


def times(one: int, other: int) -> int:
    """Multiply without leaving 64 bits."""
    return min(one * other, UNBOUNDED)


def plus(*numbers: int) -> int:
    """Add without leaving 64 bits."""
    return min(sum(numbers), UNBOUNDED)


def _scaled(size: int, factor: float) -> int:
    return UNBOUNDED if size >= UNBOUNDED else math.ceil(size * factor)


@dataclass(frozen=True, slots=True)
class _Size:
    least: int
    most: int

    def __add__(self, other: _Size) -> _Size:
        return _Size(plus(self.least, other.least), plus(self.most, other.most))

    def __or__(self, other: _Size) -> _Size:
        return _Size(min(self.least, other.least), max(self.most, other.most))


_ONE: Final = _Size(1, 1)
_UNKNOWN: Final = _Size(0, UNBOUNDED)


@dataclass(slots=True)
class _Call:
    """A call as the table of costs sees it."""

    target: Any
    arguments: list[Any]
    coster: _Coster

    def size(self, position: int) -> _Size:
        """Return the size of an argument; -1 is the receiver."""
        return self.coster.size(self.target if position < 0 else self.arguments[position])

    def text(self, position: int, factor: float = _TRAVERSAL) -> int:
        """Return what it costs to go over an argument."""
        return _scaled(self.size(position).most, factor)


_Priced = tuple[int, _Size | None]


def _plain(cost: int) -> _Priced:
    return cost, None


def _regex(call: _Call) -> _Priced:
    # The string counts one more: an empty one still meets an expensive expression.
    text = _scaled(plus(call.size(-1).most, 1), _TRAVERSAL)
    return times(text, call.text(0, _REGEX)), _Size(0, call.size(-1).most)


def _parsed(call: _Call) -> _Priced:
    return call.text(0), call.size(0)


def _part(call: _Call) -> _Priced:
    return 1, _Size(0, call.size(-1).most)


def _same_text(call: _Call) -> _Priced:
    return call.text(-1), call.size(-1)


def _compare(call: _Call) -> _Priced:
    return _plain(_scaled(min(call.size(0).most, call.size(1).most), _TRAVERSAL))


def _joined(call: _Call) -> _Priced:
    size = call.size(0) + call.size(1)
    return _scaled(size.most, _TRAVERSAL), size


def _over_list(call: _Call) -> _Priced:
    kind = call.coster.type_of(call.target)
    if kind is None or not kind.HasField("list_type"):
        return _plain(call.text(-1))
    each = 1
    if kind.list_type.elem_type.primitive in _STRING_KINDS:
        each = plus(each, _scaled(call.coster.element_size(call.target).most, _TRAVERSAL))
    return _plain(times(call.size(-1).most, each))


def _replace(call: _Call) -> _Priced:
    size, old, new = call.size(-1), call.size(0), call.size(1)
    count, kept = 0, 0
    if old.least == 0:
        count, kept = plus(size.most, 1), size.most
    elif new.most <= old.least:
        kept = size.most
    else:
        count = -(-size.most // old.least)
    return _scaled(size.most, 2 * _TRAVERSAL), _Size(0, plus(times(count, new.most), kept))


def _split(call: _Call) -> _Priced:
    most = call.size(-1).most
    if len(call.arguments) > 1 and call.arguments[1].const_expr.HasField("int64_value"):
        limit = call.arguments[1].const_expr.int64_value
        most = min(most, limit) if limit >= 0 else most
    return call.text(-1, 2 * _TRAVERSAL), _Size(0, most)


def _join(call: _Call) -> _Priced:
    items, each = call.size(-1).most, call.coster.element_size(call.target).most
    between = call.size(0).most if call.arguments else 0
    most = plus(times(items, each), times(max(items - 1, 0), between))
    return _scaled(most, _TRAVERSAL), _Size(0, most)


def _sets(call: _Call) -> _Priced:
    return _plain(times(call.size(0).most, call.size(1).most))


_PARSERS: Final = "url isURL ip isIP cidr isCIDR quantity isQuantity semver isSemver ip.isCanonical timestamp duration"
_FIRST_TEXT: Final = frozenset(_PARSERS.split())
_BY_FUNCTION: Final[dict[str, Callable[[_Call], _Priced]]] = {
    "matches": _regex,
    "find": _regex,
    "findAll": _regex,
    "contains": lambda call: _plain(times(call.text(-1), call.text(0))),
    "startsWith": lambda call: _plain(call.text(0)),
    "endsWith": lambda call: _plain(call.text(0)),
    "@in": lambda call: _plain(call.size(1).most if call.coster.is_list(call.arguments[1]) else 1),
    **dict.fromkeys(("_==_", "_!=_"), _compare),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _same_text),
    **dict.fromkeys(("isSorted", "sum", "min", "max", "indexOf", "lastIndexOf"), _over_list),
    **dict.fromkeys(("sets.contains", "sets.intersects", "sets.equivalent"), _sets),
    "replace": _replace,
    "split": _split,
    "join": _join,
    "format": lambda call: _plain(call.text(-1)),
    "validate": lambda call: _plain(call.text(0)),
    "check": lambda _: _plain(350_000),
    **dict.fromkeys(_FIRST_TEXT, _parsed),
    **dict.fromkeys(("getScheme", "getHost", "getHostname", "getPort", "getEscapedPath", "masked"), _part),
    "charAt": lambda _: (1, _ONE),
}
_ORDERS: Final = ("_<_", "_<=_", "_>_", "_>=_")
_OF_TARGET: Final = frozenset({"value", "orValue", "first", "last"})
_OF_FIRST: Final = frozenset({"_[_]", "_?._", "_[?_]", "optional.of"})
_ELEMENTS: Final = frozenset({"_[_]", "_[?_]", "first", "last"})


class _Coster:
    def __init__(self, tree: Any, variables: dict[str, Declared]) -> None:
        self._types = tree.type_map
        self._overloads = tree.reference_map
        self._variables = variables
        self._declared: dict[int, Declared | None] = {}
        self._sizes: dict[int, _Size] = {}
        self._scope: dict[str, Declared | None] = {}

    # -- what is known of an expression --------------------------------------------------------------------------

    def type_of(self, expr: Any) -> Any:
        """Return the type the checker found, None for anything."""
        # `get` of such a map would put an entry in.
        known: bool = expr.id in self._types
        return self._types[expr.id] if known else None

    def is_list(self, expr: Any) -> bool:
        """Tell whether it is a list."""
        kind = self.type_of(expr)
        return kind is not None and bool(kind.HasField("list_type"))

    def element_size(self, expr: Any) -> _Size:
        """Return the size of the elements of a list."""
        declared = self._declared.get(expr.id)
        if declared is not None and declared.item is not None:
            return _Size(0, declared.item.most)
        if expr.WhichOneof("kind") == "list_expr":
            sizes = [self.size(item) for item in expr.list_expr.elements]
            return _Size(0, max((size.most for size in sizes), default=0))
        return _UNKNOWN

    def size(self, expr: Any) -> _Size:
        """Return how long a value can be: characters, elements; numbers are 1."""
        known = self._sizes.get(expr.id) or _literal_size(expr)
        if known is not None:
            return known
        declared = self._declared.get(expr.id)
        if declared is not None:
            return _Size(0, declared.most)
        kind = self.type_of(expr)
        if kind is not None and (
            (kind.primitive and kind.primitive not in _STRING_KINDS) or kind.well_known in _WELL_KNOWN_SCALARS
        ):
            return _ONE
        return _UNKNOWN

    # -- what it costs -------------------------------------------------------------------------------------------

    def cost(self, expr: Any) -> int:
        """Return the most an expression can cost."""
        kind = expr.WhichOneof("kind")
        if kind == "ident_expr":
            name = expr.ident_expr.name
            self._declared[expr.id] = self._scope.get(name, self._variables.get(name))
            return 1
        if kind == "select_expr":
            return self._select(expr)
        if kind == "call_expr":
            return self._call(expr)
        if kind == "list_expr":
            return plus(_NEW_LIST, *(self.cost(item) for item in expr.list_expr.elements))
        if kind == "struct_expr":
            base = _NEW_STRUCT if expr.struct_expr.message_name else _NEW_MAP
            return plus(base, *(self.cost(part) for part in cel_syntax.children(expr)))
        return self._loop(expr) if kind == "comprehension_expr" else 0

    def _select(self, expr: Any) -> int:
        select = expr.select_expr
        inner = self.cost(select.operand)
        declared = self._declared.get(select.operand.id)
        if select.test_only:
            return inner
        if declared is not None:
            self._declared[expr.id] = declared.fields.get(select.field) or declared.item
        kind = self.type_of(select.operand)
        counts = kind is not None and (kind.HasField("map_type") or kind.HasField("message_type"))
        return plus(inner, int(counts))

    def _call(self, expr: Any) -> int:
        call = expr.call_expr
        arguments = list(call.args)
        costs = [self.cost(argument) for argument in arguments]
        target = call.target if call.HasField("target") else None
        spaced = expr.id in self._overloads and target is not None and target.id not in self._types
        before = self.cost(target) if target is not None and not spaced else 0
        name = f"{target.ident_expr.name}.{call.function}" if spaced and target is not None else call.function
        if name in ("_&&_", "_||_"):
            return plus(*costs)
        if name == "_?_:_":
            self._sizes[expr.id] = self.size(arguments[1]) | self.size(arguments[2])
            self._declared[expr.id] = self._declared.get(arguments[1].id) or self._declared.get(arguments[2].id)
            return plus(costs[0], max(costs[1:]))
        self._follow(name, expr, target, arguments)
        view = _Call(target, arguments, self)
        cost, size = self._priced(name, expr, view)
        if size is not None:
            self._sizes[expr.id] = size
        return plus(before, cost, *costs)

    def _follow(self, name: str, expr: Any, target: Any, arguments: list[Any]) -> None:
        """Note which part of the schema a call gives.

        Through optionals too, which upstream may lose sight of: what is lost counts as endless, and a CRD that
        upstream takes must not be refused.
        """
        source = target if name in _OF_TARGET else arguments[0] if name in _OF_FIRST and arguments else None
        declared = self._declared.get(source.id) if source is not None else None
        if declared is None:
            return
        if name == "_?._":
            field = arguments[1].const_expr.string_value
            self._declared[expr.id] = declared.fields.get(field) or declared.item
        elif name in _ELEMENTS:
            self._declared[expr.id] = declared.item
        else:
            self._declared[expr.id] = declared
            if name == "orValue":
                self._sizes[expr.id] = _Size(0, declared.most) | self.size(arguments[0])

    def _priced(self, name: str, expr: Any, view: _Call) -> _Priced:
        overloads = " ".join(self._overloads[expr.id].overload_id) if expr.id in self._overloads else ""
        if name == "_+_" and len(view.arguments) == 2:
            if "add_string" in overloads or "add_bytes" in overloads:
                return _joined(view)
            return (1, view.size(0) + view.size(1)) if "list" in overloads else _plain(1)
        if name in _ORDERS:
            return _compare(view) if "string" in overloads or "bytes" in overloads else _plain(1)
        if name in ("bytes", "string") and len(view.arguments) == 1:
            wide = _Size(view.size(0).least, times(view.size(0).most, 4))
            kind = self.type_of(view.arguments[0])
            if kind is not None and kind.primitive in _STRING_KINDS:
                return view.text(0), wide if name == "bytes" else view.size(0)
            return 1, _Size(1, _LONGEST_NUMBER)
        price = _BY_FUNCTION.get(name)
        if price is None or (name in _FIRST_TEXT and not view.arguments):
            return _plain(1)
        return price(view)

    def _loop(self, expr: Any) -> int:
        loop = expr.comprehension_expr
        around = plus(self.cost(loop.iter_range), self.cost(loop.accu_init))
        declared = self._declared.get(loop.iter_range.id)
        over = self.type_of(loop.iter_range)
        keys = over is not None and over.HasField("map_type")
        item = declared.item if declared is not None else None
        saved = self._scope
        # The length of keys has no bound in schemas, and counts as none.
        first = Declared("string", most=0) if keys else item
        inner: dict[str, Declared | None] = {loop.accu_var: self._declared.get(loop.accu_init.id)}
        if loop.iter_var2:
            inner |= {loop.iter_var: first if keys else Declared("int"), loop.iter_var2: item}
        else:
            inner[loop.iter_var] = first
        self._scope = saved | inner
        body = plus(self.cost(loop.loop_condition), self.cost(loop.loop_step))
        result = self.cost(loop.result)
        self._scope = saved
        count = self.size(loop.iter_range)
        if not loop.iter_range.list_expr.elements and loop.iter_range.WhichOneof("kind") == "list_expr":
            # A binding: a loop over nothing whose result counts.
            self._sizes[expr.id] = self.size(loop.result)
            self._declared[expr.id] = self._declared.get(loop.result.id)
        elif self.is_list(expr):
            self._sizes[expr.id] = _Size(0, count.most)
            if _is_filter(loop):
                self._declared[expr.id] = declared
        return plus(around, times(count.most, body), result)


def _is_filter(loop: Any) -> bool:
    """Tell whether the elements of a comprehension's result are some of its range's."""
    step = loop.loop_step.call_expr
    if step.function != "_?_:_" or loop.iter_var2:
        return False
    added = step.args[1].call_expr
    if added.function != "_+_":
        return False
    elements = added.args[1].list_expr.elements
    return len(elements) == 1 and bool(elements[0].ident_expr.name == loop.iter_var)


def _literal_size(expr: Any) -> _Size | None:
    kind = expr.WhichOneof("kind")
    if kind == "const_expr":
        constant = expr.const_expr
        text = constant.string_value or constant.bytes_value
        if constant.WhichOneof("kind") in ("string_value", "bytes_value"):
            return _Size(len(text), len(text))
        return _ONE
    if kind == "list_expr":
        return _Size(len(expr.list_expr.elements), len(expr.list_expr.elements))
    if kind == "struct_expr" and not expr.struct_expr.message_name:
        return _Size(len(expr.struct_expr.entries), len(expr.struct_expr.entries))
    return None


def most_expensive(checked: Any, variables: dict[str, Declared]) -> int:
    """Return the most a checked expression can cost.

    Args:
        checked: the library's expression.
        variables: the types of the variables.
    """
    tree = cel_syntax.read(checked.serialize())
    return _Coster(tree, variables).cost(tree.expr)
