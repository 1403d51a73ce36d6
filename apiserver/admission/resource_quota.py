"""ResourceQuota: a write that would take a namespace over its hard limits is refused, at once.

The usage is booked in the quota's status before the object is stored (the controller corrects it later when the write
fails). Bookings of one namespace go one after the other. A quota holds from when the controller has taken over its
limits into the status. What `limitedResources` of the plugin's configuration names needs a quota that allows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from apimachinery.errors import Conflict, InternalError, NotFound
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import format_quantity, parse_quantity
from apimachinery.objects.quota_usage import (
    Usage,
    counted_resource,
    in_scope,
    scope_matches,
    selectors,
    unspecified,
    usage,
    written_like,
)
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, PluginServices

_UPDATES: Final = frozenset({("pods", "resize"), ("services", ""), ("persistentvolumeclaims", "")})
# Never counted: they would count themselves, or are counted nowhere upstream.
_IGNORED: Final = frozenset({"events", "events.events.k8s.io", "namespaces", "bindings"})
_ATTEMPTS: Final = 10


def _listed(values: dict[str, str]) -> str:
    return ",".join(f"{key}={values[key]}" for key in sorted(values))


def _growth(new: Usage, old: Usage) -> Usage:
    """Return by how much the usage grows; what shrinks is given back by the controller."""
    return {key: max(new.get(key, Decimal(0)) - old.get(key, Decimal(0)), Decimal(0)) for key in {*new, *old}}


@dataclass(frozen=True, slots=True)
class LimitedResource:
    """What may be used only where a quota covers it."""

    group_resource: str
    contains: tuple[str, ...]
    scopes: tuple[Obj, ...]

    @classmethod
    def of(cls, raw: Obj) -> LimitedResource:
        """Read one row of `limitedResources`."""
        group, resource = raw.get("apiGroup") or "", raw.get("resource") or ""
        if not resource:
            raise ValueError("ResourceQuota: a limited resource needs a resource")
        return cls(
            f"{resource}.{group}" if group else resource,
            tuple(raw.get("matchContains") or ()),
            tuple(raw.get("matchScopes") or ()),
        )


@dataclass(slots=True)
class Judgement:
    """One write against the quotas of its namespace."""

    attrs: AdmissionAttributes
    obj: Obj
    uses: Usage
    used_before: Usage | None
    touched: list[tuple[Obj, Usage]] = field(default_factory=list)
    """Quotas that look at the object, with what is to be booked in each."""
    covered: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, attrs: AdmissionAttributes, obj: Obj) -> Judgement:
        """Measure the object."""
        before = None
        if attrs.operation == UPDATE and attrs.old_object is not None:
            before = usage(attrs.group_resource, attrs.old_object)
        return cls(attrs, obj, usage(attrs.group_resource, obj), before)

    def _restricted(self, quota: Obj) -> dict[str, Any]:
        resource = self.attrs.group_resource
        hard: dict[str, Any] = (quota.get("status") or {}).get("hard") or {}
        return {key: value for key, value in hard.items() if counted_resource(key) == resource}

    def look(self, quota: Obj) -> bool:
        """Tell whether a quota looks at the object; note what is to be booked.

        Raises:
            Forbidden: the object doesn't say what it needs, or nobody has counted yet.
        """
        attrs, name = self.attrs, quota["metadata"]["name"]
        restricted = self._restricted(quota)
        if not restricted or not in_scope(quota, attrs.group_resource, self.obj):
            return False
        why = unspecified(restricted, self.obj) if attrs.group_resource == "pods" else ""
        if why:
            raise attrs.forbidden(f"failed quota: {name}: {why}")
        used = (quota.get("status") or {}).get("used") or {}
        if any(key not in used for key in restricted):
            raise attrs.forbidden(f"status unknown for quota: {name}, resources: {','.join(sorted(restricted))}")
        self.covered.update(restricted)
        negative = sorted(key for key, value in self.uses.items() if value < 0)
        if negative:
            raise attrs.forbidden(f"quota usage is negative for resource(s): {','.join(negative)}")
        delta = self.uses
        if self.used_before is not None and in_scope(quota, attrs.group_resource, attrs.old_object or {}):
            delta = _growth(self.uses, self.used_before)
        wanted = {key: value for key, value in delta.items() if key in restricted and value}
        if wanted:
            self.touched.append((quota, wanted))
        return True

    def booked(self, quota: Obj, wanted: Usage) -> Obj:
        """Return the quota with the usage added.

        Raises:
            Forbidden: over the limit.
        """
        attrs, status = self.attrs, quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        new_used = {key: parse_quantity(str(used.get(key, "0"))) + value for key, value in wanted.items()}
        over = [key for key in wanted if new_used[key] > parse_quantity(str(hard.get(key, "0")))]
        if over:
            requested = {key: format_quantity(wanted[key], like=self._written(key)) for key in over}
            raise attrs.forbidden(
                f"exceeded quota: {quota['metadata']['name']}, requested: {_listed(requested)}, "
                f"used: {_listed({key: str(used.get(key, '0')) for key in over})}, "
                f"limited: {_listed({key: str(hard.get(key, '0')) for key in over})}"
            )
        shown = {key: format_quantity(value, like=self._form(key, used)) for key, value in new_used.items()}
        return {**quota, "status": {**status, "used": {**used, **shown}}}

    def _written(self, key: str) -> str:
        return written_like(self.attrs.group_resource, self.obj, key)

    def _form(self, key: str, used: dict[str, Any]) -> str:
        before = str(used.get(key, "0"))
        return before if before != "0" else self._written(key)

    def check_limited(self, limited: Iterable[LimitedResource], quotas: Iterable[Obj]) -> None:
        """Refuse what is limited by default and that no quota covers.

        Raises:
            Forbidden: nothing covers it.
        """
        attrs, resource = self.attrs, self.attrs.group_resource
        rows = [row for row in limited if row.group_resource == resource]
        growth = self.uses if self.used_before is None else _growth(self.uses, self.used_before)
        if not rows or not any(growth.values()):
            return
        consumed = {key for key, value in self.uses.items() if value > 0}
        named = {key for row in rows for key in consumed if any(part in key for part in row.contains)}
        if named - self.covered:
            raise attrs.forbidden(f"insufficient quota to consume: {','.join(sorted(named - self.covered))}")
        scopes = [scope for row in rows for scope in row.scopes if scope_matches(scope, resource, self.obj)]
        present = {
            selector.get("scopeName")
            for quota in quotas
            for selector in selectors(quota)
            if scope_matches(selector, resource, self.obj)
        }
        open_scopes = [scope for scope in scopes if scope.get("scopeName") not in present]
        if open_scopes:
            shown = " ".join(
                f"{{{one.get('scopeName')} {one.get('operator')} [{' '.join(one.get('values') or ())}]}}"
                for one in open_scopes
            )
            raise attrs.forbidden(f"insufficient quota to match these scopes: [{shown}]")


class ResourceQuota:
    """The plugin."""

    name = "ResourceQuota"

    def __init__(self, services: PluginServices) -> None:
        self._quotas = services.listers("resourcequotas")
        self._client = services.client
        self._locks: dict[str, asyncio.Lock] = {}
        rows = (services.configuration.get(self.name) or {}).get("limitedResources") or ()
        self._limited = tuple(LimitedResource.of(row) for row in rows)

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """Creates of all, updates of what can grow."""
        if group_resource in _IGNORED:
            return False
        if operation == CREATE:
            return not subresource
        return operation == UPDATE and (group_resource, subresource) in _UPDATES

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Check and book."""
        obj = attrs.object
        if not attrs.namespace or obj is None:
            return
        if not self._limited and not self._quotas.list(attrs.namespace):
            return
        lock = self._locks.setdefault(attrs.namespace, asyncio.Lock())
        async with lock:
            await self._check_all(attrs, obj)
        if len(self._locks) > 1000:
            self._locks = {key: held for key, held in self._locks.items() if held.locked()}

    async def _check_all(self, attrs: AdmissionAttributes, obj: Obj) -> None:
        judgement = Judgement.of(attrs, obj)
        quotas: list[Obj] = []
        for name in [quota["metadata"]["name"] for quota in self._quotas.list(attrs.namespace)]:
            try:
                quotas.append(await self._client.get("resourcequotas", name, attrs.namespace))
            except NotFound:
                continue
        for quota in quotas:
            judgement.look(quota)
        judgement.check_limited(self._limited, quotas)
        # All are judged before any is booked.
        booked = [(judgement.booked(quota, wanted), wanted) for quota, wanted in judgement.touched]
        if attrs.dry_run:
            return
        for quota, wanted in booked:
            await self._book(judgement, quota, wanted)

    async def _book(self, judgement: Judgement, quota: Obj, wanted: Usage) -> None:
        name, namespace = quota["metadata"]["name"], judgement.attrs.namespace
        for _ in range(_ATTEMPTS):
            try:
                await self._client.update("resourcequotas", quota, subresource="status")
            except Conflict:
                try:
                    live = await self._client.get("resourcequotas", name, namespace)
                except NotFound:
                    return
                quota = judgement.booked(live, wanted)
                continue
            except NotFound:
                return
            return
        raise InternalError.of(f"unable to update the status of quota {name}")
