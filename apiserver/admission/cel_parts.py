"""Evaluates an expression in parts, when as a whole it takes more steps than the library allows.

The library ends an evaluation after 10,000 steps of comprehensions, upstream after some 200,000 (a cost of a million).
So what exceeds the former is taken apart where the outcome is the same: at `&&`, `||` and `?:`, and at `all`, `exists`
and `exists_one`, whose range is gone through in chunks. What costs upstream too much runs out of parts.
"""

from __future__ import annotations

import time
from typing import Any, Final

from apiserver.admission import cel_environment, cel_syntax
from apiserver.admission.cel import COST_LIMIT_EXCEEDED, EvaluationError, evaluated
from apiserver.admission.cel_types import as_value

_MOST_PARTS: Final = 40
_MOST_SECONDS: Final = 1.0
_CHUNK: Final = "chunk__"


def evaluate(tree: Any, values: dict[str, Any]) -> Any:
    """Return the value of an expression.

    Args:
        tree: the expression as the evaluating environment reads it.
        values: its variables.

    Raises:
        EvaluationError: it costs too much, or fails.
    """
    return _Parts().split(tree.expr, values)


class _Parts:
    def __init__(self) -> None:
        self._left = _MOST_PARTS
        self._end = time.thread_time() + _MOST_SECONDS
        self._programs: dict[tuple[int, frozenset[str]], Any] = {}

    def run(self, expr: Any, values: dict[str, Any]) -> Any:
        """Evaluate a part as a whole, or if that is too much in parts of its own."""
        try:
            return self._whole(expr, values)
        except EvaluationError as error:
            if str(error) != COST_LIMIT_EXCEEDED:
                raise
        return self.split(expr, values)

    def split(self, expr: Any, values: dict[str, Any]) -> Any:
        """Take a part apart."""
        name = expr.call_expr.function
        if name in ("_&&_", "_||_"):
            return self._both(expr.call_expr.args, values, decides=name == "_||_")
        if name == "_?_:_":
            condition, yes, no = expr.call_expr.args
            return self.run(yes if self._truth(condition, values) else no, values)
        if name == "!_":
            return not self._truth(expr.call_expr.args[0], values)
        if expr.WhichOneof("kind") == "comprehension_expr":
            return self._loop(expr, values)
        raise EvaluationError(COST_LIMIT_EXCEEDED)

    def _whole(self, expr: Any, values: dict[str, Any]) -> Any:
        self._left -= 1
        if self._left < 0 or time.thread_time() > self._end:
            raise EvaluationError(COST_LIMIT_EXCEEDED)
        names = frozenset(values)
        key = (expr.id, names)
        if key not in self._programs:
            written = cel_syntax.written(cel_syntax.parsed(expr))
            self._programs[key] = cel_environment.evaluating(names).deserialize(written)
        return evaluated(self._programs[key], values)

    def _truth(self, expr: Any, values: dict[str, Any]) -> bool:
        value = self.run(expr, values)
        if not isinstance(value, bool):
            raise EvaluationError("no such overload")
        return value

    def _both(self, parts: Any, values: dict[str, Any], *, decides: bool) -> bool:
        """Evaluate `&&` or `||`: what decides does so even where the other side fails."""
        failed: EvaluationError | None = None
        for part in parts:
            try:
                if self._truth(part, values) == decides:
                    return decides
            except EvaluationError as error:
                if str(error) == COST_LIMIT_EXCEEDED:
                    raise
                failed = failed or error
        if failed is not None:
            raise failed
        return not decides

    def _loop(self, expr: Any, values: dict[str, Any]) -> Any:
        loop = expr.comprehension_expr
        kind = cel_syntax.quantifier(loop)
        if not kind:
            raise EvaluationError(COST_LIMIT_EXCEEDED)
        items = _entries(self.run(loop.iter_range, values), named=bool(loop.iter_var2))
        chunked = cel_syntax.over(expr, _CHUNK, counts=kind == "exists_one")
        total, start, size = 0, 0, len(items)
        failed: EvaluationError | None = None
        while start < len(items):
            chunk = items[start : start + size]
            # As a map, so that items of a list keep their positions.
            given = dict(chunk) if loop.iter_var2 else [value for _, value in chunk]
            try:
                outcome = self._whole(chunked, {**values, _CHUNK: given})
            except EvaluationError as error:
                spent = str(error) == COST_LIMIT_EXCEEDED
                if (spent and self._left < 0) or (not spent and kind == "exists_one"):
                    raise
                if not spent:
                    # Another item may decide.
                    failed = failed or error
                    start += size
                    continue
                if size > 1:
                    size = -(-size // 2)
                    continue
                outcome = self._one(loop, kind, chunk[0], values)
            if kind != "exists_one" and outcome is (kind == "exists"):
                return outcome
            total += int(outcome)
            start += size
        if failed is not None:
            raise failed
        return total == 1 if kind == "exists_one" else kind == "all"

    def _one(self, loop: Any, kind: str, item: tuple[Any, Any], values: dict[str, Any]) -> bool:
        """Evaluate what a comprehension asks of a single item."""
        position, value = item
        bound = {loop.iter_var: position, loop.iter_var2: value} if loop.iter_var2 else {loop.iter_var: value}
        asked = loop.loop_step.call_expr.args[0 if kind == "exists_one" else 1]
        return self._truth(asked, {**values, **bound})


def _entries(found: Any, *, named: bool) -> list[tuple[Any, Any]]:
    """Return the pairs a comprehension goes over; of a map without a second variable only the keys."""
    if isinstance(found, dict):
        return [(key, _again(value) if named else key) for key, value in found.items()]
    if isinstance(found, list):
        return [(position, _again(value)) for position, value in enumerate(found)]
    raise EvaluationError("no such overload")


def _again(value: Any) -> Any:
    """Return a result as a value for the library."""
    if isinstance(value, dict):
        return {key: _again(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_again(item) for item in value]
    return bytes(value) if isinstance(value, bytearray) else as_value(value)
