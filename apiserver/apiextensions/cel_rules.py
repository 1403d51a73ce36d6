"""`x-kubernetes-validations`: CEL rules in CRD schemas, compiled once per CRD version.

Only levels that have rules below them become nodes. A transition rule (one that names `oldSelf`) runs where old and
new value can be matched: by property, by map key, by the keys of a `map` list. What another rule says of a value that
did not change is only a warning.
"""

from __future__ import annotations

import base64
import datetime
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from apimachinery.objects.field_path import FieldError, FieldPath
from apimachinery.objects.metadata import Obj
from apiserver.admission.cel import COST_LIMIT_EXCEEDED, EvaluationError, Expression
from apiserver.admission.cel_types import as_value
from apiserver.apiextensions import rule_path
from apiserver.apiextensions.correlation import MISSING, earlier_items, item_key, keyed_items, same

_OUT_OF_BUDGET: Final = "validation failed due to running out of cost budget, no further validation rules will be run"
_Judged = Iterator[tuple[FieldError, bool]]
_RESERVED: Final = frozenset(
    {
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
        "let", "loop", "package", "namespace", "return", "var", "void", "while",
    }
)  # fmt: skip
_ESCAPES: Final = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_GO_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
VARIABLES: Final = frozenset({"self", "oldSelf"})


def escape(name: str) -> str:
    """Return how a property is named in CEL."""
    if name in _RESERVED:
        return f"__{name}__"
    if not any(old in name for old in _ESCAPES):
        return name
    return "".join(_ESCAPES.get(part, part) for part in re.split(r"(__|[./-])", name))


def _duration(text: str) -> Any:
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _GO_DURATION.findall(text))
    return as_value(datetime.timedelta(seconds=-seconds if text.startswith("-") else seconds))


def _time(text: str) -> Any:
    return as_value(datetime.datetime.fromisoformat(text))


_BY_FORMAT: Final[dict[str, Any]] = {
    "date-time": _time,
    "date": lambda text: _time(text + "T00:00:00+00:00"),
    "duration": _duration,
    "byte": base64.b64decode,
}


class Converter:
    """How JSON of one schema level becomes CEL values; None where JSON is good as it is."""

    __slots__ = ("additional", "call", "items", "properties")

    def __init__(self, schema: Obj) -> None:
        self.call: Any = None
        if schema.get("type") == "number":
            self.call = float
        elif schema.get("type") == "string":
            self.call = _BY_FORMAT.get(schema.get("format", ""))
        self.properties: dict[str, tuple[str, Converter | None]] = {}
        for name, part in (schema.get("properties") or {}).items():
            below = converter(part)
            if below is not None or escape(name) != name:
                self.properties[name] = (escape(name), below)
        items, additional = schema.get("items"), schema.get("additionalProperties")
        self.items = converter(items) if isinstance(items, dict) else None
        self.additional = converter(additional) if isinstance(additional, dict) else None

    @property
    def idle(self) -> bool:
        """Whether there is nothing to convert at or below this level."""
        return self.call is None and not self.properties and self.items is None and self.additional is None

    def convert(self, value: Any) -> Any:
        """Return the CEL value."""
        if value is None:
            return None
        if self.call is not None:
            try:
                return self.call(value)
            except (ValueError, TypeError):
                return value
        if isinstance(value, list) and self.items is not None:
            return [self.items.convert(item) for item in value]
        if not isinstance(value, dict):
            return value
        out: Obj = {}
        for name, item in value.items():
            known, below = self.properties.get(name, (name, self.additional))
            out[known] = item if below is None else below.convert(item)
        return out


def converter(schema: Obj) -> Converter | None:
    """Return the converter of a schema, None when there is nothing to convert."""
    made = Converter(schema)
    return None if made.idle else made


class Rule:
    """One compiled rule."""

    __slots__ = (
        "expression",
        "field",
        "message",
        "message_expression",
        "optional_old",
        "reason",
        "shown",
        "transition",
    )

    def __init__(self, raw: Obj) -> None:
        from apiserver.admission.cel_compiler import program

        self.optional_old = bool(raw.get("optionalOldSelf"))
        optional = frozenset({"oldSelf"}) if self.optional_old else frozenset()
        self.expression: Expression = program(raw["rule"], VARIABLES, optional)
        self.transition = "oldSelf" in self.expression.variables
        self.shown: str = raw.get("message", "").strip() or raw["rule"].strip()
        """What stands for the rule where it can't be evaluated."""
        self.message: str = raw.get("message", "").strip() or f"failed rule: {self.shown}"
        written = raw.get("messageExpression", "")
        self.message_expression = program(written, VARIABLES, optional) if written else None
        self.reason: str = raw.get("reason") or "FieldValueInvalid"
        self.field: str = raw.get("fieldPath", "")

    def told(self, values: dict[str, Any]) -> str:
        """Return the message for a failure."""
        if self.message_expression is None:
            return self.message
        try:
            text = self.message_expression.evaluate(values)
        except EvaluationError:
            return self.message
        return text.strip() if isinstance(text, str) and text.strip() and "\n" not in text else self.message


class RuleNode:
    """The rules at one level, and what lies below."""

    __slots__ = ("additional", "converter", "every", "items", "kind", "properties", "rules", "schema")

    def __init__(self, schema: Obj) -> None:
        self.schema = schema
        self.rules = [Rule(raw) for raw in schema.get("x-kubernetes-validations") or ()]
        self.converter = converter(schema) if self.rules else None
        self.kind: str = schema.get("type", "") or "object"
        below = {name: compile_rules(part) for name, part in (schema.get("properties") or {}).items()}
        self.properties = {name: node for name, node in below.items() if node is not None}
        items, additional = schema.get("items"), schema.get("additionalProperties")
        self.items = compile_rules(items) if isinstance(items, dict) else None
        self.additional = compile_rules(additional) if isinstance(additional, dict) else None
        every = [compile_rules(part) for part in schema.get("allOf") or ()]
        self.every = [node for node in every if node is not None]


def compile_rules(schema: Obj | None) -> RuleNode | None:
    """Compile all rules of a schema; None when there are none.

    Raises:
        CompileError: a rule is no CEL.
    """
    if not schema or not has_rules(schema):
        return None
    return RuleNode(schema)


def has_rules(schema: Obj) -> bool:
    """Tell whether there are rules at any level of a schema."""
    if schema.get("x-kubernetes-validations"):
        return True
    parts = [*(schema.get("properties") or {}).values(), *(schema.get("allOf") or ())]
    parts += [schema.get("items"), schema.get("additionalProperties")]
    return any(isinstance(part, dict) and has_rules(part) for part in parts)


@dataclass(frozen=True, slots=True)
class _Matched:
    """A value and the one it replaces, for telling whether it changed."""

    new: Any
    old: Any
    parent: _Matched | None = None

    def unchanged(self) -> bool:
        """Tell whether this value, or where it has no earlier one what it stands in, is as it was."""
        if self.old is not MISSING:
            return same(self.old, self.new)
        return self.parent is not None and self.parent.unchanged()


@dataclass(slots=True)
class Findings:
    """What the rules say of one object."""

    errors: list[FieldError]
    warnings: list[str]


class _BudgetError(Exception):
    """No further rules may run."""


@dataclass(slots=True)
class _Budget:
    """The time the rules of one object may take; upstream's measure of cost comes to about a second."""

    seconds: float

    @contextmanager
    def spend(self) -> Iterator[None]:
        """Take off what is done inside."""
        started = time.thread_time()
        try:
            yield
        finally:
            self.seconds -= time.thread_time() - started


def check(new: Any, old: Any, node: RuleNode | None, seconds: float = 1.0) -> Findings:
    """Run the rules.

    Args:
        new: the new value.
        old: the stored value, None on create.
        node: the compiled rules.
        seconds: how long they may take together.
    """
    found = Findings([], [])
    if node is None:
        return found
    before = MISSING if old is None else old
    judged = _check(_Matched(new, before), before, node, FieldPath(), _Budget(seconds))
    with suppress(_BudgetError):
        _gather(judged, found)
    return found


def _gather(judged: _Judged, found: Findings) -> None:
    for error, ratcheted in judged:
        if ratcheted:
            found.warnings.append(str(error))
        else:
            found.errors.append(error)


def _check(matched: _Matched, old: Any, node: RuleNode, path: FieldPath, budget: _Budget) -> _Judged:
    """Judge a value and what is in it; yields what is wrong, and whether it was so before.

    Args:
        matched: the value and the one it is compared with.
        old: what `oldSelf` is; narrower, since items of plain lists have a predecessor but no identity.
        node: the rules.
        path: where the value stands.
        budget: what the rules may still spend.
    """
    new = matched.new
    if new is None:
        return
    if node.rules:
        yield from _run(matched, old, node, path, budget)
    for part in node.every:
        yield from _check(_Matched(new, MISSING, matched.parent), old, part, path, budget)
    if isinstance(new, dict):
        atomic = node.schema.get("x-kubernetes-map-type") == "atomic"
        for name, item in new.items():
            below = node.properties.get(name, node.additional)
            if below is not None:
                where = path.child(name) if name in node.properties else path.key(name)
                earlier = matched.old.get(name, MISSING) if isinstance(matched.old, dict) else MISSING
                was = old.get(name, MISSING) if isinstance(old, dict) and not atomic else MISSING
                was = MISSING if was is None else was
                yield from _check(_Matched(item, earlier, matched), was, below, where, budget)
    elif isinstance(new, list) and node.items is not None:
        keys = tuple(node.schema.get("x-kubernetes-list-map-keys") or ())
        known = keyed_items(old, node.schema)
        for position, (item, earlier) in enumerate(zip(new, earlier_items(new, matched.old, node.schema), strict=True)):
            was = known.get(item_key(item, keys), MISSING)
            yield from _check(_Matched(item, earlier, matched), was, node.items, path.index(position), budget)


def _run(matched: _Matched, old: Any, node: RuleNode, path: FieldPath, budget: _Budget) -> _Judged:
    convert = node.converter.convert if node.converter is not None else (lambda value: value)
    values: dict[str, Any] = {"self": convert(matched.new)}
    place = path.text or "<nil>"
    for rule in node.rules:
        if rule.optional_old:
            values["oldSelf"] = [] if old is MISSING else [convert(old)]
        elif old is not MISSING:
            values["oldSelf"] = convert(old)
        elif rule.transition:
            continue
        if budget.seconds <= 0:
            yield FieldError("FieldValueInvalid", place, node.kind, _OUT_OF_BUDGET), False
            raise _BudgetError
        try:
            with budget.spend():
                passed = rule.expression.evaluate(values)
        except EvaluationError as error:
            yield _unevaluated(rule, place, node.kind, str(error)), False
            if str(error) == COST_LIMIT_EXCEEDED:
                raise _BudgetError from error
            continue
        if passed is not True:
            where = str(rule_path.below(path, rule.field)) if rule.field else place
            yield _failure(rule, where, node.kind, values), not rule.transition and matched.unchanged()


def _unevaluated(rule: Rule, where: str, kind: str, error: str) -> FieldError:
    detail = f"{error} evaluating rule: {rule.shown}"
    if error.startswith("no such overload"):
        wanted = "call arguments did not match a supported operator, function or macro signature"
        detail = f"'{error}': {wanted} for rule: {rule.shown}"
    elif error == COST_LIMIT_EXCEEDED:
        told = "no further validation rules will be run due to call cost exceeds limit"
        detail = f"'{error}': {told} for rule: {rule.shown}"
    return FieldError("FieldValueInvalid", where, kind, detail)


def _failure(rule: Rule, where: str, kind: str, values: dict[str, Any]) -> FieldError:
    bad = "" if rule.reason in ("FieldValueForbidden", "FieldValueRequired") else kind
    return FieldError(rule.reason, where, bad, rule.told(values))
