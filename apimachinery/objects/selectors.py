"""Label and field selectors: parsed once, matched often."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from apimachinery.objects.metadata import Obj


class SelectorError(ValueError):
    """The selector's text or object makes no sense."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label: operator `in`, `notin`, `exists`, `!`, `gt` or `lt`."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet the condition."""
        value = labels.get(self.key)
        return _OPERATORS[self.operator](value, self.values)


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def _compare(value: str | None, values: frozenset[str], sign: int) -> bool:
    left, right = _number(value), _number(next(iter(values), None))
    return left is not None and right is not None and (left - right) * sign > 0


_OPERATORS: dict[str, Callable[[str | None, frozenset[str]], bool]] = {
    "in": lambda value, values: value is not None and value in values,
    "notin": lambda value, values: value is None or value not in values,
    "exists": lambda value, _: value is not None,
    "!": lambda value, _: value is None,
    "gt": lambda value, values: _compare(value, values, 1),
    "lt": lambda value, values: _compare(value, values, -1),
}


@dataclass(frozen=True, slots=True)
class Selector:
    """A conjunction of requirements. The empty one matches everything; one made with `nothing` matches nothing."""

    requirements: tuple[Requirement, ...] = ()
    impossible: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels are selected."""
        return not self.impossible and all(one.matches(labels) for one in self.requirements)

    @property
    def is_empty(self) -> bool:
        """Whether it selects everything."""
        return not self.requirements and not self.impossible

    def __str__(self) -> str:
        texts = []
        for one in self.requirements:
            listed = ",".join(sorted(one.values))
            if one.operator == "in":
                texts.append(f"{one.key}={listed}" if len(one.values) == 1 else f"{one.key} in ({listed})")
            elif one.operator == "notin":
                texts.append(f"{one.key} notin ({listed})")
            elif one.operator in ("gt", "lt"):
                texts.append(f"{one.key}{'>' if one.operator == 'gt' else '<'}{listed}")
            else:
                texts.append(("!" if one.operator == "!" else "") + one.key)
        return ",".join(texts)


EVERYTHING = Selector()
NOTHING = Selector(impossible=True)

_EXPRESSION_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt"}


def from_label_selector(selector: Obj | None) -> Selector:
    """A LabelSelector object. None selects nothing, an empty one everything.

    Raises:
        SelectorError: for an unknown operator.
    """
    if selector is None:
        return NOTHING
    found = [Requirement(key, "in", frozenset((value,))) for key, value in (selector.get("matchLabels") or {}).items()]
    for row in selector.get("matchExpressions") or ():
        operator = _EXPRESSION_OPERATORS.get(row.get("operator", ""))
        if operator is None:
            raise SelectorError(f"{row.get('operator')!r} is not a valid label selector operator")
        found.append(Requirement(row["key"], operator, frozenset(row.get("values") or ())))
    return Selector(tuple(found))


def from_map(labels: Mapping[str, str] | None) -> Selector:
    """Equality with every label of a map (Service and ReplicationController selectors). None or empty: nothing."""
    if not labels:
        return NOTHING
    return Selector(tuple(Requirement(key, "in", frozenset((value,))) for key, value in labels.items()))


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition on a field: equal or not equal."""

    field: str
    value: str
    equal: bool = True


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """A conjunction of field conditions."""

    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Whether an object's selectable fields are selected; absent ones count as empty."""
        return all((fields.get(one.field, "") == one.value) is one.equal for one in self.requirements)

    @property
    def is_empty(self) -> bool:
        """Whether it selects everything."""
        return not self.requirements

    def required(self, field: str) -> str | None:
        """The value that a field must have, None where it may have any."""
        for one in self.requirements:
            if one.field == field and one.equal:
                return one.value
        return None


_FIELD = re.compile(r"^([^=!,\\]+)(==|!=|=)((?:[^\\,=]|\\.)*)$")


@lru_cache(maxsize=1024)
def parse_field_selector(text: str) -> FieldSelector:
    """`metadata.name=x,status.phase!=Running`; a backslash quotes commas, equal signs and itself.

    Raises:
        SelectorError: if it is not of that form.
    """
    found = []
    for part in re.split(r"(?<!\\),", text):
        if not part.strip():
            continue
        match = _FIELD.match(part.strip())
        if match is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{part}'")
        found.append(FieldRequirement(match[1].strip(), re.sub(r"\\(.)", r"\1", match[3]), match[2] != "!="))
    return FieldSelector(tuple(found))


def field_value(obj: Obj, path: str) -> str:
    """The value at a dotted path as field selectors see it; an empty string where there is none."""
    value: Any = obj
    for part in path.split("."):
        if not isinstance(value, dict):
            return ""
        value = value.get(part)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
