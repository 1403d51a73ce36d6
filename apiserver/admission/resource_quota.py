"""ResourceQuota: a write that would take a namespace over its hard limits is refused, at once.

The usage is booked in the quota's status before the object is stored (the controller corrects it later when the write
fails). Bookings of one namespace go one after the other.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, Final

from apimachinery.errors import Conflict, InternalError, NotFound
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import format_quantity, parse_quantity
from apimachinery.objects.quota_usage import Usage, in_scope, unspecified, usage, written_like
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, PluginServices

_UPDATES: Final = frozenset({("pods", "resize"), ("services", ""), ("persistentvolumeclaims", "")})
# Never counted: they would count themselves, or are counted nowhere upstream.
_IGNORED: Final = frozenset({"events", "events.events.k8s.io", "namespaces", "bindings"})
_ATTEMPTS: Final = 10


def _listed(values: dict[str, str]) -> str:
    return ",".join(f"{key}={values[key]}" for key in sorted(values))


def _difference(new: Usage, old: Usage) -> Usage:
    return {key: new.get(key, Decimal(0)) - old.get(key, Decimal(0)) for key in {*new, *old}}


class ResourceQuota:
    """The plugin."""

    name = "ResourceQuota"

    def __init__(self, services: PluginServices) -> None:
        self._quotas = services.listers("resourcequotas")
        self._client = services.client
        self._locks: dict[str, asyncio.Lock] = {}

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
        if not self._quotas.list(attrs.namespace):
            return
        lock = self._locks.setdefault(attrs.namespace, asyncio.Lock())
        async with lock:
            await self._check_all(attrs, obj)
        if len(self._locks) > 1000:
            self._locks = {key: held for key, held in self._locks.items() if held.locked()}

    async def _check_all(self, attrs: AdmissionAttributes, obj: Obj) -> None:
        delta = usage(attrs.group_resource, obj)
        if attrs.operation == UPDATE and attrs.old_object is not None:
            delta = _difference(delta, usage(attrs.group_resource, attrs.old_object))
        names = [quota["metadata"]["name"] for quota in self._quotas.list(attrs.namespace)]
        booked: list[Obj] = []
        for name in names:
            try:
                quota: Obj = await self._client.get("resourcequotas", name, attrs.namespace)
            except NotFound:
                continue
            updated = self._judge(attrs, obj, quota, delta)
            if updated is not None:
                booked.append(updated)
        if attrs.dry_run:
            return
        for quota in booked:
            await self._book(attrs, obj, quota, delta)

    def _judge(self, attrs: AdmissionAttributes, obj: Obj, quota: Obj, delta: Usage) -> Obj | None:
        """Return the quota with the usage added, None when it is not touched.

        Raises:
            Forbidden: over the limit, or the object doesn't say what it needs.
        """
        if not in_scope(quota, attrs.group_resource, obj):
            return None
        name = quota["metadata"]["name"]
        status = quota.get("status") or {}
        hard: dict[str, Any] = status.get("hard") or {}
        spec_hard = (quota.get("spec") or {}).get("hard") or {}
        if attrs.group_resource == "pods" and attrs.operation == CREATE:
            why = unspecified(spec_hard, obj)
            if why:
                raise attrs.forbidden(f"failed quota: {name}: {why}")
        wanted = {key: value for key, value in delta.items() if key in spec_hard and value}
        if not wanted:
            return None
        used: dict[str, Any] = status.get("used") or {}
        unknown = sorted(key for key in wanted if key not in hard or key not in used)
        if unknown:
            raise attrs.forbidden(f"status unknown for quota: {name}, resources: {','.join(unknown)}")
        new_used = {key: parse_quantity(str(used[key])) + value for key, value in wanted.items()}
        over = [key for key, value in wanted.items() if value > 0 and new_used[key] > parse_quantity(str(hard[key]))]
        if over:
            requested = {
                key: format_quantity(wanted[key], like=written_like(attrs.group_resource, obj, key)) for key in over
            }
            raise attrs.forbidden(
                f"exceeded quota: {name}, requested: {_listed(requested)}, "
                f"used: {_listed({key: str(used[key]) for key in over})}, "
                f"limited: {_listed({key: str(hard[key]) for key in over})}"
            )
        shown = {key: format_quantity(value, like=self._form(attrs, obj, key, used)) for key, value in new_used.items()}
        return {**quota, "status": {**status, "used": {**used, **shown}}}

    @staticmethod
    def _form(attrs: AdmissionAttributes, obj: Obj, key: str, used: dict[str, Any]) -> str:
        before = str(used[key])
        return before if before != "0" else written_like(attrs.group_resource, obj, key)

    async def _book(self, attrs: AdmissionAttributes, obj: Obj, quota: Obj, delta: Usage) -> None:
        name = quota["metadata"]["name"]
        for _ in range(_ATTEMPTS):
            try:
                await self._client.update("resourcequotas", quota, subresource="status")
            except Conflict:
                try:
                    live = await self._client.get("resourcequotas", name, attrs.namespace)
                except NotFound:
                    return
                again = self._judge(attrs, obj, live, delta)
                if again is None:
                    return
                quota = again
                continue
            except NotFound:
                return
            return
        raise InternalError.of(f"unable to update the status of quota {name}")
