"""Admission for one request: what the write path calls, as attributes for the chain."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource
from apimachinery.schema.decode import decode as decode_kind
from apimachinery.schema.tables import schema_for
from apiserver.admission.chain import AdmissionAttributes, Chain
from apiserver.authorization.registry import AuthorizationAttributes, forbidden
from apiserver.endpoints.exchange import Exchange
from apiserver.registry.strategy import Call, Strategy


class View(Protocol):
    """How plugins see an object that is written through a subresource with a kind of its own (Scale)."""

    kind: tuple[str, str, str]

    def show(self, obj: Obj) -> Obj:
        """Return the object as they see it."""

    def take(self, obj: Obj, shown: Obj) -> None:
        """Write what they have changed into the object."""


def decoder(kind: tuple[str, str, str]) -> Callable[[Obj], Obj] | None:
    """Return what decodes objects of a kind that has no strategy, by (group, version, kind)."""
    group, version, name = kind
    schema = schema_for(f"{group}/{version}" if group else version, name)
    return partial(decode_kind, schema=schema) if schema is not None else None


def _write_options(exchange: Exchange) -> Obj:
    """Return the query of a create, update or patch as the options admission sees."""
    info = exchange.info
    options: Obj = {key: info.first(key) for key in ("fieldManager", "fieldValidation") if info.first(key)}
    if info.first("dryRun"):
        options["dryRun"] = [info.first("dryRun")]
    return options


class RequestAdmission:
    """Runs the chain for one write and gathers its warnings."""

    def __init__(
        self,
        exchange: Exchange,
        resource: Resource,
        strategy: Strategy,
        call: Call,
        *,
        delete: bool = False,
        options: Obj | None = None,
        view: View | None = None,
    ) -> None:
        self._chain: Chain = exchange.services.chain
        self._exchange = exchange
        self._resource = resource
        self._strategy = strategy
        self._call = call
        self._delete = delete
        self._options = options if options is not None else _write_options(exchange)
        self._view = view

    def _attributes(self, obj: Obj | None, old: Obj | None, *, create: bool) -> AdmissionAttributes:
        call = self._call
        operation = "DELETE" if self._delete else "CREATE" if create else "UPDATE"
        view = self._view
        if view is not None:
            obj, old = (view.show(one) if one is not None else None for one in (obj, old))
        return AdmissionAttributes(
            operation=operation,
            resource=self._resource,
            subresource=call.subresource,
            namespace=call.namespace,
            name=call.name,
            object=obj,
            old_object=old,
            user=self._exchange.user,
            dry_run=call.dry_run,
            options=self._options,
            warnings=self._exchange.warnings,
            audit=self._exchange.annotations,
            kind=view.kind if view is not None else None,
            decode=decoder(view.kind) if view is not None else self._decode,
        )

    def _decode(self, obj: Obj) -> Obj:
        decoded = self._strategy.decode(obj)
        self._strategy.apply_defaults(decoded)
        return decoded

    def _may_create(self) -> None:
        """A PUT or apply that creates needs the right to create, too."""
        resource, call = self._resource, self._call
        attributes = AuthorizationAttributes(
            self._exchange.user,
            "create",
            resource.group,
            resource.version,
            resource.plural,
            "",
            call.namespace,
            call.name,
            self._exchange.info.path,
        )
        decision = self._exchange.services.authorizer.authorize(attributes)
        if not decision.allowed:
            raise forbidden(attributes, decision.reason)

    async def mutate(self, obj: Obj | None, old: Obj | None, *, create: bool) -> Obj | None:
        """Run the mutating plugins."""
        if create and self._exchange.info.verb != "create":
            self._may_create()
        attributes = self._attributes(obj, old, create=create)
        await self._chain.mutate(attributes)
        changed = attributes.object
        if self._view is not None:
            if obj is not None and changed is not None:
                self._view.take(obj, changed)
            return obj
        return changed

    async def validate(self, obj: Obj | None, old: Obj | None, *, create: bool) -> None:
        """Run the validating plugins."""
        await self._chain.validate(self._attributes(obj, old, create=create))
