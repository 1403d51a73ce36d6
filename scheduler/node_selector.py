"""NodeSelector: the terms of node affinity and of volume node affinity.

Pure. Terms are joined by OR, the requirements inside a term by AND; a term with
no requirement matches nothing (API documentation of `v1.NodeSelector`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Requirement:
    """One `key operator values` of a term, over labels or over fields."""

    key: str
    operator: str
    values: tuple[str, ...]
    on_fields: bool

    def holds(self, labels: dict[str, str], fields: dict[str, str]) -> bool:
        """Whether the node's labels (or fields) satisfy the requirement."""
        value = (fields if self.on_fields else labels).get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return self._compares(value)
        return False

    def _compares(self, value: str | None) -> bool:
        if value is None or len(self.values) != 1:
            return False
        try:
            left, right = int(value), int(self.values[0])
        except ValueError:
            return False
        return left > right if self.operator == "Gt" else left < right


@dataclass(frozen=True, slots=True)
class NodeSelector:
    """Compiled selector terms."""

    terms: tuple[tuple[Requirement, ...], ...]

    def matches(self, labels: dict[str, str], node_name: str) -> bool:
        """Whether any term matches the node."""
        fields = {"metadata.name": node_name}
        return any(term and all(r.holds(labels, fields) for r in term) for term in self.terms)

    def node_names(self) -> frozenset[str] | None:
        """The nodes that the terms name, or None when some term is not bound to a name."""
        names: set[str] = set()
        for term in self.terms:
            named = [r for r in term if r.on_fields and r.key == "metadata.name" and r.operator == "In"]
            if not named:
                return None
            names.update(set.intersection(*(set(r.values) for r in named)))
        return frozenset(names)


def compile_terms(terms: Iterable[dict[str, Any]]) -> NodeSelector:
    """Compiles a list of NodeSelectorTerm."""
    return NodeSelector(
        tuple(
            tuple(
                Requirement(item["key"], item["operator"], tuple(item.get("values") or ()), on_fields)
                for field, on_fields in (("matchExpressions", False), ("matchFields", True))
                for item in term.get(field) or ()
            )
            for term in terms
        )
    )


def compile_selector(selector: dict[str, Any]) -> NodeSelector:
    """Compiles a NodeSelector object."""
    return compile_terms(selector.get("nodeSelectorTerms") or ())
