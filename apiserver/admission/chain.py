"""Admission: what may still change or stop a write after authorization.

A chain is an ordered tuple of plugins. For each kind of request the chain works out once which plugins take part, so
that a write pays only for those. `mutate` runs before validation of the object, `validate` after it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from apimachinery.errors import APIError, Forbidden, InternalError
from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource
from apiserver.admission.metrics import ADMIT, VALIDATE, AdmissionMetrics
from apiserver.authentication.user import UserInfo

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"


@dataclass(slots=True)
class AdmissionAttributes:
    """One write under admission. Plugins may change `object` in place or put another one there."""

    operation: str
    resource: Resource
    subresource: str
    namespace: str
    name: str
    object: Obj | None
    old_object: Obj | None
    user: UserInfo
    dry_run: bool = False
    options: Obj | None = None
    warnings: list[str] = field(default_factory=list)
    audit: dict[str, str] = field(default_factory=dict)
    reconsider: bool = False
    """Set when an object came in from outside: what was decided before may not hold for it."""
    decode: Callable[[Obj], Obj] | None = None
    """Brings an object from outside into the form of its kind, with defaults; APIError where it doesn't fit."""
    kind: tuple[str, str, str] | None = None
    """(group, version, kind) of `object` where it is not the resource's own (Scale, Eviction, Binding...)."""
    second_round: bool = False
    """Set while plugins run again because a webhook or policy changed the object."""
    seen_by: dict[str, bytes] = field(default_factory=dict)
    """What webhooks that may be called again saw last."""

    @property
    def group_resource(self) -> str:
        """`pods`, `deployments.apps`."""
        return self.resource.group_resource

    def named(self) -> str:
        """Return the best name known for messages."""
        if self.name:
            return self.name
        meta = (self.object or {}).get("metadata") or {}
        return str(meta.get("name") or meta.get("generateName") or "Unknown")

    def put(self, obj: Any) -> None:
        """Put in an object from outside.

        Raises:
            InternalError: it is no object of this kind.
        """
        before = self.object or {}
        if not isinstance(obj, dict) or not isinstance(obj.get("metadata", {}), dict):
            raise InternalError.of("the changed object is not an object with metadata")
        if any(obj.get(part) != before.get(part) for part in ("apiVersion", "kind")):
            raise InternalError.of(
                f"the changed object is a {obj.get('apiVersion')}, Kind={obj.get('kind')}, "
                f"not a {before.get('apiVersion')}, Kind={before.get('kind')}"
            )
        obj.setdefault("metadata", {})
        if self.decode is not None:
            try:
                obj = self.decode(obj)
            except APIError as error:
                raise InternalError.of(error.message) from error
        self.object, self.reconsider = obj, True

    def forbidden(self, why: str) -> Forbidden:
        """Build upstream's admission refusal."""
        return Forbidden.of(self.resource, self.named(), why)


Steps = tuple[tuple[str, Callable[[AdmissionAttributes], Awaitable[None]]], ...]


class Plugin(Protocol):
    """One admission plugin."""

    name: str

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """Tell whether this plugin takes part in such requests."""


@runtime_checkable
class Mutates(Protocol):
    """A plugin that changes objects."""

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Change the object, or refuse."""


@runtime_checkable
class Validates(Protocol):
    """A plugin that only judges."""

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Refuse by raising."""


@runtime_checkable
class Closes(Protocol):
    """A plugin that holds connections."""

    async def close(self) -> None:
        """Close them."""


class Chain:
    """The plugins in order."""

    def __init__(self, plugins: Iterable[Plugin], metrics: AdmissionMetrics) -> None:
        self.plugins = tuple(plugins)
        self._metrics = metrics
        self._steps: dict[tuple[str, str, str], tuple[Steps, Steps]] = {}

    def _for(self, attrs: AdmissionAttributes) -> tuple[Steps, Steps]:
        key = (attrs.operation, attrs.resource.group_resource, attrs.subresource)
        steps = self._steps.get(key)
        if steps is None:
            taking_part = [plugin for plugin in self.plugins if plugin.handles(*key)]
            steps = (
                tuple((plugin.name, plugin.admit) for plugin in taking_part if isinstance(plugin, Mutates)),
                tuple((plugin.name, plugin.validate) for plugin in taking_part if isinstance(plugin, Validates)),
            )
            if len(self._steps) > 10_000:
                self._steps.clear()
            self._steps[key] = steps
        return steps

    async def mutate(self, attrs: AdmissionAttributes) -> None:
        """Run the mutating part; once more when the object was changed from outside (an added container needs all)."""
        steps = self._for(attrs)[0]
        await self._run(ADMIT, steps, attrs)
        if attrs.reconsider:
            attrs.second_round = True
            await self._run(ADMIT, steps, attrs)

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Run the validating part."""
        await self._run(VALIDATE, self._for(attrs)[1], attrs)

    async def _run(self, kind: str, steps: Steps, attrs: AdmissionAttributes) -> None:
        operation, controllers = attrs.operation, self._metrics.controllers
        began = started = time.perf_counter()
        name = ""
        try:
            for name, step in steps:
                await step(attrs)
                now = time.perf_counter()
                controllers.observe(name, operation, "false", kind, value=now - started)
                started = now
        except APIError:
            now = time.perf_counter()
            controllers.observe(name, operation, "true", kind, value=now - started)
            self._metrics.steps.observe(operation, "true", kind, value=now - began)
            raise
        self._metrics.steps.observe(operation, "false", kind, value=started - began)

    async def close(self) -> None:
        """Close the connections plugins hold."""
        for plugin in self.plugins:
            if isinstance(plugin, Closes):
                await plugin.close()


class OnResources:
    """Base of plugins that care for fixed operations on fixed resources."""

    name = ""
    on: frozenset[tuple[str, str, str]] = frozenset()
    """(operation, group resource, subresource)"""

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """Tell whether this plugin takes part in such requests."""
        return (operation, group_resource, subresource) in self.on


@dataclass(frozen=True, slots=True)
class PluginServices:
    """What plugins are made from."""

    options: Any
    listers: Callable[[str], Any]
    client: Any
    authorizer: Any
    metrics: AdmissionMetrics
    configuration: Mapping[str, Obj] = field(default_factory=dict)
    """Plugin name -> what `--admission-control-config-file` says for it."""
