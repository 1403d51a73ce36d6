"""The only path by which objects change.

A `Store` is one served version of one resource: hooks (`apiserver.registry.strategy`), the bytes before each body, and
the way to the cache all versions share. The order of a write is upstream's: defaults, mutating admission, what the
server decides, managed fields, validation, validating admission, then one guarded transaction in etcd.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import orjson

from apimachinery.apis.object_meta import IMMUTABLE
from apimachinery.errors import AlreadyExists, BadRequest, Conflict, Invalid, NotFound, RequestEntityTooLarge
from apimachinery.objects.field_path import FieldPath, invalid
from apimachinery.objects.metadata import Obj, new_uid
from apimachinery.objects.names import generate_name
from apimachinery.resources import Resource
from apiserver.apply.managed_fields import track
from apiserver.registry import graceful_delete
from apiserver.registry.strategy import Call, Strategy
from apiserver.storage.cache.cached_storage import CachedStorage
from apiserver.storage.cache.entry import Entry, encode_body, header, with_revision
from apiserver.storage.cache.watch_cache import WatchCache
from apiserver.storage.errors import KeyChangedError, KeyExistsError

_MAX_OBJECT_BYTES = 1536 * 1024
_GENERATE_NAME_ATTEMPTS = 8
_RETRIES = 200
_CHANGED = "the object has been modified; please apply your changes to the latest version and try again"
_AS_WHOLE = ("", "scale")  # a scale changes one field as any update does
_SYSTEM_METADATA = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


class Admit(Protocol):
    """Admission for one request, as the store calls it."""

    async def mutate(self, obj: Obj | None, old: Obj | None, *, create: bool) -> Obj | None:
        """Return the object after the mutating plugins."""

    async def validate(self, obj: Obj | None, old: Obj | None, *, create: bool) -> None:
        """Raise when a validating plugin refuses."""


class Outcome(NamedTuple):
    """What a write made of an object: the bytes to answer with, and what happened."""

    body: bytes
    created: bool = False
    deleted: bool = False
    finished: bool = True


Change = Callable[[Obj | None], Awaitable[Obj]]


class Store:
    """One served version of a resource."""

    def __init__(self, resource: Resource, strategy: Strategy, directory: str, cached: CachedStorage) -> None:
        self.resource = resource
        self.strategy = strategy
        self.directory = directory
        self.cached = cached
        self.header = header(resource.api_version, resource.kind)

    @property
    def cache(self) -> WatchCache:
        """The watch cache all versions of this resource share."""
        return self.cached.cache(self.directory)

    def key(self, namespace: str, name: str) -> str:
        """Return the object's key in the cache."""
        return f"{namespace}/{name}" if self.resource.namespaced else name

    async def read(self, entry: Entry) -> Obj:
        """Return a fresh object in the served version."""
        obj = entry.parse()
        if self.strategy.from_storage is not None:
            obj = (await self.strategy.from_storage([obj]))[0]
        obj["apiVersion"], obj["kind"] = self.resource.api_version, self.resource.kind
        return obj

    async def bodies(self, entries: list[Entry]) -> list[bytes]:
        """Return the bodies of entries in the served version: as stored where versions don't differ."""
        if self.strategy.from_storage is None:
            return [entry.body for entry in entries]
        objs = await self.strategy.from_storage([entry.parse() for entry in entries])
        return [with_revision(encode_body(obj), entry.revision) for obj, entry in zip(objs, entries, strict=True)]

    async def find(self, namespace: str, name: str) -> Entry:
        """Return the current entry of an object; `NotFound`."""
        await self.cached.ensure_fresh()
        entry = self.cache.entries.get(self.key(namespace, name))
        if entry is None:
            raise NotFound.of(self.resource, name)
        return entry

    async def _value(self, obj: Obj) -> tuple[bytes, bytes, bytes]:
        """Return (value for etcd, header as stored, body as served without revision)."""
        body = encode_body(obj)
        if self.strategy.to_storage is None:
            head, stored = self.header, body
        else:
            converted = await self.strategy.to_storage(orjson.loads(orjson.dumps(obj)))
            head = header(converted["apiVersion"], converted["kind"])
            stored = encode_body(converted)
        if len(stored) > _MAX_OBJECT_BYTES:
            raise RequestEntityTooLarge(f"Request entity too large: limit is {_MAX_OBJECT_BYTES}")
        return head + stored, head, body

    # -- create ----------------------------------------------------------------------------------------------------

    async def create(self, obj: Obj, call: Call, admit: Admit) -> Outcome:
        """Create an object; `AlreadyExists`, `Invalid`."""
        metadata = obj.setdefault("metadata", {})
        if metadata.get("resourceVersion"):
            raise BadRequest("resourceVersion should not be set on objects to be created")
        prefix = metadata.get("generateName") if not metadata.get("name") else None
        original = orjson.dumps(obj) if prefix else b""
        for attempt in range(_GENERATE_NAME_ATTEMPTS):
            if prefix:
                if attempt:
                    obj = orjson.loads(original)
                obj["metadata"]["name"] = call.name = generate_name(prefix)
            try:
                return await self._create_once(obj, call, admit)
            except AlreadyExists:
                await self._give_back(call)
                if not prefix or attempt + 1 == _GENERATE_NAME_ATTEMPTS:
                    raise
            except BaseException:
                await self._give_back(call)
                raise
        raise AlreadyExists.of(self.resource, call.name)

    @staticmethod
    async def _give_back(call: Call) -> None:
        for release in reversed(call.cleanup):
            release()
        call.cleanup.clear()
        while call.undo:
            await call.undo.pop()()

    async def _create_once(self, obj: Obj, call: Call, admit: Admit) -> Outcome:
        strategy, resource = self.strategy, self.resource
        self._start_metadata(obj, call)
        strategy.apply_defaults(obj)
        if "status" in strategy.subresources and not strategy.keeps_status:
            obj.pop("status", None)
        if call.manager:
            obj = track(
                None,
                obj,
                manager=call.manager,
                operation="Update",
                subresource="",
                schema=strategy.schema,
                now=call.now,
            )
        # What admission puts in belongs to nobody: managed fields are found before it.
        obj = await admit.mutate(obj, None, create=True) or obj
        strategy.prepare_create(obj, call)
        strategy.apply_defaults(obj)
        call.name = obj["metadata"].get("name", "")
        errors = strategy.validate_create(obj, call)
        if errors:
            raise Invalid.of(resource.kind, resource.group, call.name, errors)
        call.warnings.extend(strategy.warnings_of(obj))
        await admit.validate(obj, None, create=True)
        value, _, body = await self._value(obj)
        key = self.key(call.namespace, call.name)
        if call.dry_run:
            await self.cached.ensure_fresh()
            if key in self.cache.entries:
                raise AlreadyExists.of(resource, call.name)
            await self._give_back(call)
            return Outcome(self.header + body, created=True)
        if strategy.secure is not None:
            await strategy.secure(obj, None, call)
            value, _, body = await self._value(obj)
        try:
            revision = await self.cached.create(self.directory, key, value, ttl=strategy.ttl)
        except KeyExistsError as error:
            raise AlreadyExists.of(resource, call.name) from error
        return Outcome(self.header + with_revision(body, revision), created=True)

    def _start_metadata(self, obj: Obj, call: Call) -> None:
        metadata = obj["metadata"]
        for key in (*_SYSTEM_METADATA, "selfLink"):
            metadata.pop(key, None)
        if not metadata.get("managedFields"):
            metadata.pop("managedFields", None)
        metadata["uid"] = new_uid()
        metadata["creationTimestamp"] = call.now
        if self.resource.namespaced:
            metadata["namespace"] = call.namespace
        else:
            metadata.pop("namespace", None)
        obj["apiVersion"], obj["kind"] = self.resource.api_version, self.resource.kind

    # -- update ----------------------------------------------------------------------------------------------------

    async def update(
        self, call: Call, change: Change, admit: Admit, *, create: bool = False, tracked: bool = True
    ) -> Outcome:
        """Change an object by a function of its current state; retried when somebody else was faster.

        Args:
            call: who and what; `call.subresource` selects what may change.
            change: from the current object (a copy) to the wanted one; gets None when creating is allowed.
            admit: admission.
            create: whether a missing object is created (PUT where the strategy allows it, apply).
            tracked: whether managed fields are to be computed (apply brings its own).
        """
        await self.cached.ensure_fresh()
        key = self.key(call.namespace, call.name)
        entry = self.cache.entries.get(key)
        for _ in range(_RETRIES):
            if entry is None:
                if not create:
                    raise NotFound.of(self.resource, call.name)
                obj = await change(None)
                obj.setdefault("metadata", {}).pop("resourceVersion", None)
                manager, call.manager = call.manager, call.manager if tracked else ""
                try:
                    return await self.create(obj, call, admit)
                finally:
                    call.manager = manager
            try:
                return await self._update_once(entry, call, change, admit, tracked=tracked)
            except KeyChangedError as changed:
                await self._give_back(call)
                current = changed.current
                entry = Entry.from_value(key, current.value, current.revision) if current else None
            except BaseException:
                await self._give_back(call)
                raise
        raise Conflict.of(self.resource, call.name, _CHANGED)

    async def _update_once(self, entry: Entry, call: Call, change: Change, admit: Admit, *, tracked: bool) -> Outcome:
        strategy = self.strategy
        old, current = await self.read(entry), await self.read(entry)
        new = await change(current)
        wanted = new.setdefault("metadata", {}).pop("resourceVersion", None)
        stored = old["metadata"].pop("resourceVersion")
        if wanted is not None and wanted != "" and wanted != stored and wanted != "0":
            raise Conflict.of(self.resource, call.name, _CHANGED)
        if not wanted and not strategy.unconditional_update and tracked and call.options.get("verb") == "update":
            path = FieldPath("metadata").child("resourceVersion")
            errors = [invalid(path, 0, "must be specified for an update")]
            raise Invalid.of(self.resource.kind, self.resource.group, call.name, errors)
        self._carry_metadata(new, old, call)
        strategy.apply_defaults(new)
        self._prepare_update(new, old, call)
        if tracked:
            new = track(
                old,
                new,
                manager=call.manager,
                operation="Update",
                subresource=call.subresource,
                schema=strategy.schema,
                now=call.now,
            )
        new = await admit.mutate(new, old, create=False) or new
        self._prepare_update(new, old, call)
        strategy.apply_defaults(new)
        self._validate_update(new, old, call)
        if not call.subresource and new.get("spec") != old.get("spec"):
            call.warnings.extend(strategy.warnings_of(new))
        await admit.validate(new, old, create=False)
        if new == old and not self.cached.is_stale(self.directory, entry.key):
            await self._give_back(call)
            return Outcome(self.header + with_revision(encode_body(new), entry.revision))
        return await self._put(entry, new, old, call)

    async def _put(self, entry: Entry, new: Obj, old: Obj, call: Call) -> Outcome:
        metadata = new["metadata"]
        if self.strategy.secure is not None and not call.dry_run:
            await self.strategy.secure(new, old, call)
        value, _, body = await self._value(new)
        if call.dry_run:
            await self._give_back(call)
            return Outcome(self.header + with_revision(body, entry.revision))
        ends = metadata.get("deletionTimestamp") and not metadata.get("finalizers")
        if ends and not metadata.get("deletionGracePeriodSeconds") and not self._finalized_by_others(new):
            revision = await self.cached.delete(self.directory, entry.key, entry.revision)
            deleted = True
        else:
            revision = await self.cached.update(self.directory, entry.key, value, entry.revision, ttl=self.strategy.ttl)
            deleted = False
        if self.strategy.settle is not None:
            await self.strategy.settle(None if deleted else new, old)
        return Outcome(self.header + with_revision(body, revision), deleted=deleted)

    def _carry_metadata(self, new: Obj, old: Obj, call: Call) -> None:
        """Keep what no client may change; a uid that differs means another object."""
        metadata, before = new["metadata"], old["metadata"]
        uid = metadata.get("uid")
        if uid and uid != before.get("uid"):
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {before.get('uid')}"
            raise Conflict.of(self.resource, call.name, why)
        self._check_times(metadata, before, call)
        for key in _SYSTEM_METADATA:
            if key in before:
                metadata[key] = before[key]
            else:
                metadata.pop(key, None)
        metadata["name"] = before["name"]
        if "namespace" in before:
            metadata["namespace"] = before["namespace"]
        if "generateName" in before:
            metadata.setdefault("generateName", before["generateName"])
        new["apiVersion"], new["kind"] = self.resource.api_version, self.resource.kind

    def _check_times(self, metadata: Obj, before: Obj, call: Call) -> None:
        """Refuse times of birth and death that a client has made up; what it leaves out is filled in."""
        errors = [
            invalid(FieldPath("metadata").child(key), metadata[key], IMMUTABLE)
            for key in ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
            if metadata.get(key) not in (None, before.get(key))
            and (key == "creationTimestamp" or "deletionTimestamp" not in before)
        ]
        if errors:
            raise Invalid.of(self.resource.kind, self.resource.group, call.name, errors)

    def _prepare_update(self, new: Obj, old: Obj, call: Call) -> None:
        if call.subresource in _AS_WHOLE:
            self.strategy.prepare_update(new, old, call)
        else:
            self.strategy.subresources[call.subresource].prepare(new, old, call)

    def _validate_update(self, new: Obj, old: Obj, call: Call) -> None:
        validate = self.strategy.validate_update
        if call.subresource not in _AS_WHOLE:
            validate = self.strategy.subresources[call.subresource].validate or validate
        errors = validate(new, old, call)
        if errors:
            raise Invalid.of(self.resource.kind, self.resource.group, call.name, errors)

    # -- delete ----------------------------------------------------------------------------------------------------

    async def delete(self, call: Call, admit: Admit) -> Outcome:
        """Delete an object, or mark it for those who must finish it first. `call.options` are DeleteOptions."""
        graceful_delete.check_options(call.options)
        await self.cached.ensure_fresh()
        key = self.key(call.namespace, call.name)
        entry = self.cache.entries.get(key)
        admitted = False
        for _ in range(_RETRIES):
            if entry is None:
                raise NotFound.of(self.resource, call.name)
            old = await self.read(entry)
            graceful_delete.check_preconditions(self.resource, call.name, old["metadata"], call.options)
            old["metadata"].pop("resourceVersion")
            if not admitted:
                await admit.mutate(None, old, create=False)
                await admit.validate(None, old, create=False)
                admitted = True
            try:
                return await self._delete_once(entry, old, call)
            except KeyChangedError as changed:
                current = changed.current
                entry = Entry.from_value(key, current.value, current.revision) if current else None
        raise Conflict.of(self.resource, call.name, _CHANGED)

    async def _delete_once(self, entry: Entry, old: Obj, call: Call) -> Outcome:
        strategy = self.strategy
        if strategy.before_delete is not None:
            strategy.before_delete(old, call)
        decision = graceful_delete.decide(
            old,
            call.options,
            grace=strategy.grace(old, call) if strategy.grace is not None else None,
            now=call.now,
            held=self._finalized_by_others(old),
            orphans=strategy.orphans,
        )
        body = encode_body(old)
        if decision.remove:
            if call.dry_run:
                return Outcome(self.header + with_revision(body, entry.revision), deleted=True)
            revision = await self.cached.delete(self.directory, entry.key, entry.revision)
            if strategy.settle is not None:
                await strategy.settle(None, old)
            return Outcome(self.header + with_revision(body, revision), deleted=True)
        if decision.updated is None:
            return Outcome(self.header + with_revision(body, entry.revision), finished=False)
        if strategy.marked is not None:
            strategy.marked(decision.updated)
        value, _, body = await self._value(decision.updated)
        if call.dry_run:
            return Outcome(self.header + with_revision(body, entry.revision), finished=False)
        revision = await self.cached.update(self.directory, entry.key, value, entry.revision)
        return Outcome(self.header + with_revision(body, revision), finished=False)

    def _finalized_by_others(self, obj: Obj) -> bool:
        return self.strategy.finalized is not None and not self.strategy.finalized(obj)
