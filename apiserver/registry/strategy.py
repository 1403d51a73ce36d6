"""What makes one resource different from another, as hooks whose defaults do nothing.

A row of `apiserver.registry.table` (or a CRD, at run time) is a `Strategy`; `apiserver.registry.store` calls the hooks
in upstream's order and never asks which resource it has at hand.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apimachinery.objects.field_path import FieldError
from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource


@dataclass(slots=True)
class Call:
    """One write as the hooks see it.

    Attributes:
        resource: the resource in the version the client speaks.
        user: `apiserver.authentication.user.UserInfo`; hooks read `.name` only.
        options: DeleteOptions of a delete, or the query options of a write.
        warnings: filled by hooks, sent as `Warning` headers.
        cleanup: run when the write fails or was a dry run (gives back what a hook has allocated).
        undo: run after `cleanup` when a write fails (takes away what a hook has written).
    """

    resource: Resource
    namespace: str
    name: str
    user: Any = None
    subresource: str = ""
    manager: str = ""
    dry_run: bool = False
    force: bool = False
    now: str = ""
    options: Obj = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    cleanup: list[Callable[[], None]] = field(default_factory=list)
    undo: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


METADATA_FIELDS = frozenset({"metadata.name", "metadata.namespace"})


def _nothing(obj: Obj, call: Call) -> None:
    del obj, call


def _nothing_update(new: Obj, old: Obj, call: Call) -> None:
    del new, old, call


def _no_errors(obj: Obj, call: Call) -> list[FieldError]:
    del obj, call
    return []


def _no_errors_update(new: Obj, old: Obj, call: Call) -> list[FieldError]:
    del new, old, call
    return []


def _unchanged(obj: Obj) -> Obj:
    return obj


def _no_defaults(obj: Obj) -> None:
    del obj


def _no_unknown(obj: Obj) -> list[str]:
    del obj
    return []


def metadata_fields(obj: Obj) -> dict[str, str]:
    """Return the two fields every resource can be selected by."""
    metadata = obj.get("metadata") or {}
    return {"metadata.name": metadata.get("name", ""), "metadata.namespace": metadata.get("namespace", "")}


@dataclass(frozen=True, slots=True)
class Subresource:
    """How a write through a subresource changes the stored object.

    Attributes:
        prepare: makes the new whole object of (new, old): takes over what the subresource may change.
        validate: what is wrong with the result.
    """

    prepare: Callable[[Obj, Obj, Call], None] = _nothing_update
    validate: Callable[[Obj, Obj, Call], list[FieldError]] | None = None


@dataclass(frozen=True, slots=True)
class Strategy:
    """The hooks of one resource in one version.

    Attributes:
        schema: shape of the kind (`apimachinery.schema` node), for apply and strategic merge; None when unknown.
        decode: checks types (raises `BadRequest`) and drops what the kind doesn't have.
        unknown_fields: names of the fields that `decode` would drop.
        apply_defaults: fills in defaults, in place.
        prepare_create, prepare_update: what the server decides: resets, generation, allocation.
        validate_create, validate_update: everything wrong with the object.
        subresources: those that write the object itself ("status", "ephemeralcontainers", …).
        selectable_fields: field selectors and their values; the keys of `field_names` are the allowed ones.
        grace: seconds a deletion waits for somebody to finish it (Pods); None deletes at once.
        finalized: the further condition for the end of a deletion (a Namespace's spec.finalizers).
        before_delete: refuses or prepares a deletion.
        orphans: a deletion that says nothing of dependents leaves them.
        marked: changes an object that is being marked for deletion.
        secure: writes what an object needs beside it, just before the object itself is stored (new, old or None).
        settle: takes away what is no longer needed beside an object once that is stored or gone (new or None, old).
        to_storage, from_storage: conversion between the served version and what is stored; None when equal.
        ttl: seconds an object lives (Events), 0 for ever.
        create_on_update: a PUT to a missing object creates it.
        unconditional_update: a PUT without resourceVersion overwrites.
        fields_ready: finds the selectable fields of cache entries beforehand, where that takes a conversion webhook.
        columns: CRD printer columns, None for the built-in printer.
        keeps_status: a create may bring a status (Nodes).
        named_items: list items carry apiVersion and kind (custom resources).
        scale: the CRD's scale subresource (specReplicasPath, …).
        returns_object: DELETE answers with the object instead of a Status.
        warnings_of: what the writer of a valid object is warned of.
        deprecation: the warning all answers carry, "" for none.
    """

    schema: Any = None
    decode: Callable[[Obj], Obj] = _unchanged
    unknown_fields: Callable[[Obj], list[str]] = _no_unknown
    apply_defaults: Callable[[Obj], None] = _no_defaults
    prepare_create: Callable[[Obj, Call], None] = _nothing
    prepare_update: Callable[[Obj, Obj, Call], None] = _nothing_update
    validate_create: Callable[[Obj, Call], list[FieldError]] = _no_errors
    validate_update: Callable[[Obj, Obj, Call], list[FieldError]] = _no_errors_update
    subresources: Mapping[str, Subresource] = field(default_factory=dict)
    selectable_fields: Callable[[Obj], dict[str, str]] = metadata_fields
    field_names: frozenset[str] = METADATA_FIELDS
    grace: Callable[[Obj, Call], int | None] | None = None
    finalized: Callable[[Obj], bool] | None = None
    before_delete: Callable[[Obj, Call], None] | None = None
    orphans: bool = False
    marked: Callable[[Obj], None] | None = None
    secure: Callable[[Obj, Obj | None, Call], Awaitable[None]] | None = None
    settle: Callable[[Obj | None, Obj], Awaitable[None]] | None = None
    to_storage: Callable[[Obj], Awaitable[Obj]] | None = None
    from_storage: Callable[[list[Obj]], Awaitable[list[Obj]]] | None = None
    ttl: int = 0
    create_on_update: bool = False
    unconditional_update: bool = True
    fields_ready: Callable[[list[Any]], Awaitable[None]] | None = None
    columns: Any = None
    keeps_status: bool = False
    named_items: bool = False
    scale: Any = None
    returns_object: bool = False
    warnings_of: Callable[[Obj], list[str]] = _no_unknown
    deprecation: str = ""
