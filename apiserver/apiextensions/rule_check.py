"""Checks the CEL rules of a CRD before it is stored: their types, what they may refer to, what they can cost (pure).

Worded as upstream, whose numbers the limits are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from apimachinery.objects.field_path import FieldError, FieldPath, forbidden, invalid, not_supported, required
from apimachinery.objects.metadata import Obj
from apiserver.admission import cel_compiler, cel_environment, cel_syntax
from apiserver.admission.cel import CompileError
from apiserver.apiextensions import rule_path
from apiserver.apiextensions.cel_rules import VARIABLES, escape
from apiserver.apiextensions.rule_cost import most_expensive, plus, times
from apiserver.apiextensions.rule_types import MOST_BYTES, Declared, Types, most_items, most_properties, spelt

_RULE_LIMIT: Final = 10_000_000
_SCHEMA_LIMIT: Final = 100_000_000
_MOST_TOLD: Final = 4
_REASONS: Final = ("FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate")
_RULES: Final = "x-kubernetes-validations"
_UNBOUNDED: Final = -1


@dataclass(slots=True)
class _Costs:
    """What the rules of a schema cost together."""

    total: int = 0
    by_path: list[tuple[int, FieldPath]] = field(default_factory=list)

    def add(self, path: FieldPath, cost: int) -> None:
        self.total = plus(self.total, cost)
        if cost >= _SCHEMA_LIMIT // 100:
            self.by_path.append((cost, path))


@dataclass(frozen=True, slots=True)
class _Level:
    """A schema level.

    Attributes:
        schema: it.
        path: where it stands.
        often: how many values an object can have there; -1 for no bound.
        alike: where old and new values can't be told from each other, None where they can.
    """

    schema: Obj
    path: FieldPath
    often: int = 1
    alike: FieldPath | None = None

    def within(self, schema: Obj, path: FieldPath, most: int = 1) -> _Level:
        often = _UNBOUNDED if _UNBOUNDED in (self.often, most) else times(self.often, most)
        return replace(self, schema=schema, path=path, often=often)


def problems(schema: Obj, path: FieldPath) -> list[FieldError]:
    """Return what is wrong with the rules of a version's schema."""
    if not any(True for level in _levels(_Level(schema, path)) if level.schema.get(_RULES)):
        return []
    types = Types(schema, escape, root=True)
    costs = _Costs()
    out: list[FieldError] = []
    for level in _levels(_Level(schema, path)):
        if level.schema.get(_RULES):
            out += _check_level(level, types, costs)
    if costs.total > _SCHEMA_LIMIT:
        together, whole = "estimated rule & messageExpression cost total", "for entire OpenAPIv3 schema"
        told = f"contributed to {together} exceeding cost limit {whole}"
        dearest = sorted(costs.by_path, key=lambda one: -one[0])[:_MOST_TOLD]
        out += [forbidden(where, told) for _, where in dearest]
        what = f"{_RULES} {together} {whole}"
        out.append(forbidden(path, _too_expensive(what, costs.total, _SCHEMA_LIMIT)))
    return out


def _levels(level: _Level) -> Iterator[_Level]:
    """Yield a level and all below it."""
    yield level
    schema, path = level.schema, level.path
    atomic = schema.get("x-kubernetes-map-type") == "atomic"
    inside = replace(level, alike=level.alike or path) if atomic else level
    for name, part in (schema.get("properties") or {}).items():
        yield from _levels(inside.within(part, path.child("properties").key(name)))
    additional, items = schema.get("additionalProperties"), schema.get("items")
    if isinstance(additional, dict):
        most = most_properties(schema, Declared("")) if schema.get("maxProperties") is not None else _UNBOUNDED
        yield from _levels(inside.within(additional, path.child("additionalProperties"), most))
    if isinstance(items, dict):
        if schema.get("x-kubernetes-list-type") != "map":
            inside = replace(level, alike=level.alike or path)
        most = most_items(schema, Declared("")) if schema.get("maxItems") is not None else _UNBOUNDED
        yield from _levels(inside.within(items, path.child("items"), most))


def _too_expensive(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    limits = "maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared"
    return f"{what} exceeds budget by factor of {shown} (try simplifying the rule, or adding {limits})"


def _check_level(level: _Level, declarations: Types, costs: _Costs) -> Iterator[FieldError]:
    where = level.path.child(_RULES)
    declared = declarations.of(level.schema)
    if declared is None:
        kind, keeps = level.schema.get("type", ""), level.schema.get("x-kubernetes-preserve-unknown-fields", False)
        told = (
            f"rule declared on schema that does not support validation rules type: '{kind}' "
            f"x-kubernetes-preserve-unknown-fields: '{str(bool(keeps)).lower()}'"
        )
        yield FieldError("InternalError", str(where), None, told)
        return
    types = dict.fromkeys(VARIABLES, cel_environment.type_of(spelt(declared)))
    environment = cel_environment.checking(types, declarations.pool(declared))
    for position, raw in enumerate(level.schema[_RULES]):
        at = where.index(position)
        yield from _texts(raw, at, level.schema)
        for name in ("rule", "messageExpression"):
            if (raw.get(name) or "").strip():
                yield from _check_expression(name, raw, at, level, (environment, declared), costs)


def _texts(raw: Obj, path: FieldPath, schema: Obj) -> Iterator[FieldError]:
    """Check what needs no CEL."""
    rule = raw.get("rule", "")
    if not rule.strip():
        yield required(path.child("rule"), "rule is not specified")
    message, expression = raw.get("message", ""), raw.get("messageExpression", "")
    if message and not message.strip():
        yield invalid(path.child("message"), message, "message must be non-empty if specified")
    elif "\n" in message.strip():
        yield invalid(path.child("message"), message, "message must not contain line breaks")
    elif "\n" in rule.strip() and not message:
        yield required(path.child("message"), "message must be specified if rule contains line breaks")
    if expression and not expression.strip():
        yield required(path.child("messageExpression"), "messageExpression must be non-empty if specified")
    if raw.get("reason") and raw["reason"] not in _REASONS:
        yield not_supported(path.child("reason"), raw["reason"], sorted(_REASONS))
    place = raw.get("fieldPath", "")
    if place and not place.strip():
        yield invalid(path.child("fieldPath"), place, "fieldPath must be non-empty if specified")
    elif "\n" in place:
        yield invalid(path.child("fieldPath"), place, "fieldPath must not contain line breaks")
    elif place:
        wrong = rule_path.problem(place, schema)
        if wrong:
            yield invalid(path.child("fieldPath"), place, f"fieldPath must be a valid path: {wrong}")


def _check_expression(
    name: str, raw: Obj, path: FieldPath, level: _Level, known: tuple[Any, Declared], costs: _Costs
) -> Iterator[FieldError]:
    source, where = raw[name], path.child(name)
    environment, declared = known
    try:
        checked = cel_compiler.check(environment, source, optional="oldSelf" if raw.get("optionalOldSelf") else "")
        cel_compiler.program(source, VARIABLES, frozenset({"oldSelf"} if raw.get("optionalOldSelf") else ()))
    except CompileError as error:
        words = "" if name == "rule" else "messageExpression "
        yield invalid(where, source, f"{words}compilation failed: {error}")
        return
    kind = cel_compiler.type_name(checked)
    if name == "rule" and kind != "bool":
        yield invalid(where, source, "cel expression must evaluate to a bool")
        return
    if name == "messageExpression" and kind != "string":
        yield invalid(where, source, "messageExpression must evaluate to a string")
        return
    if name == "rule":
        uses_old = "oldSelf" in cel_syntax.names(cel_compiler.parse(source, VARIABLES).expr)
        if uses_old and level.alike is not None:
            told = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {level.alike}"
            yield invalid(where, source, told)
        if raw.get("optionalOldSelf") is not None and not uses_old:
            told = "may not be set if oldSelf is not used in rule"
            yield invalid(path.child("optionalOldSelf"), raw["optionalOldSelf"], told)
    often = level.often if level.often != _UNBOUNDED else MOST_BYTES // (declared.least_size + 1)
    cost = times(most_expensive(checked, dict.fromkeys(VARIABLES, declared)), often)
    if cost > _RULE_LIMIT:
        yield forbidden(where, _too_expensive(f"estimated {name} cost", cost, _RULE_LIMIT))
    costs.add(where, cost)
