"""The flow schemas and priority levels that hold now, and what belongs to which of them.

Follows the stored objects: a change marks the compiled form stale, the next request has it made anew. Until the
bootstrap objects are stored for the first time, those that are missing hold all the same; the mandatory ones always.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apiserver.flowcontrol.bootstrap import (
    CATCH_ALL,
    LEVELS,
    MANDATORY,
    SCHEMAS,
    bootstrap_levels,
    bootstrap_schemas,
)
from apiserver.flowcontrol.classification import Digest, Schema, compile_schema, in_order
from apiserver.flowcontrol.dispatcher import Dispatcher
from apiserver.flowcontrol.priority_level import Level, limits

_MOST_REMEMBERED: Final = 4096


@dataclass(slots=True, eq=False)
class Classified:
    """Where requests of one kind belong, and what became of them."""

    schema: Schema
    level: Level
    flow: tuple[str, str]
    headers: tuple[tuple[str, str], ...]


def _present(stored: list[Obj], known: dict[str, Obj], *, established: bool) -> dict[str, Obj]:
    """Return the objects that hold: what is stored, and the bootstrap objects that are missing but may not."""
    out = {obj["metadata"]["name"]: obj for obj in stored}
    for name, obj in known.items():
        if name not in out and (name in MANDATORY or not established):
            out[name] = obj
    return out


class Configuration:
    """The compiled configuration.

    Args:
        listers: reads of the objects.
        dispatcher: is told the levels' limits.
    """

    def __init__(self, listers: Callable[[str], Any], dispatcher: Dispatcher) -> None:
        self._schemas = listers(SCHEMAS)
        self._levels = listers(LEVELS)
        self._dispatcher = dispatcher
        self._stale = True
        self.established = False
        self._order: list[Schema] = []
        self._known: dict[Digest, Classified] = {}
        for lister in (self._schemas, self._levels):
            lister.on_touch(self._touched)

    def _touched(self, _key: str) -> None:
        self._stale = True

    def establish(self) -> None:
        """Take note that the bootstrap objects are stored: from now on a missing one is one that was deleted."""
        self.established = True
        self._stale = True

    def _compile(self) -> None:
        self._stale = False
        levels = _present(self._levels.list(), bootstrap_levels(), established=self.established)
        schemas = _present(self._schemas.list(), bootstrap_schemas(), established=self.established)
        specs = {name: obj.get("spec") or {} for name, obj in levels.items()}
        uids = {name: obj["metadata"].get("uid", "") for name, obj in levels.items()}
        self._dispatcher.configure(limits(specs, self._dispatcher.seats), uids)
        compiled = in_order(compile_schema(obj) for obj in schemas.values())
        self._order = [schema for schema in compiled if schema.level in levels]
        self._known.clear()

    def classify(self, digest: Digest) -> Classified:
        """Return where a request belongs."""
        if self._stale:
            self._compile()
        found = self._known.get(digest)
        if found is None:
            found = self._classify(digest)
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[digest] = found
        return found

    def _classify(self, digest: Digest) -> Classified:
        schema = next((one for one in self._order if one.matches(digest)), None)
        if schema is None:
            schema = next(one for one in self._order if one.name == CATCH_ALL)
        level = self._dispatcher.levels[schema.level]
        # Exempt users don't wait for others, but take turns among themselves.
        flow = schema.flow(digest) or (digest.user if level.limits.exempt else "")
        headers = (("X-Kubernetes-PF-FlowSchema-UID", schema.uid), ("X-Kubernetes-PF-PriorityLevel-UID", level.uid))
        return Classified(schema, level, (schema.name, flow), headers)

    def levels(self) -> list[Level]:
        """Return the priority levels."""
        if self._stale:
            self._compile()
        return list(self._dispatcher.levels.values())
