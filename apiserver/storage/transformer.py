"""Encryption at rest: values are transformed between the server and etcd, as `--encryption-provider-config` says.

Which provider wrote a value is remembered, so that a write that changes nothing still brings it to the current key:
that is how keys are rotated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from apiserver.storage.encryption import Identity, Transformer, UnreadableError
from apiserver.storage.errors import KeyChangedError
from apiserver.storage.interface import Change, ChangeBatch, KeyValue, Page, Storage
from apiserver.storage.keys import split_directory
from component.logging import get_logger

_LOG = get_logger("encryption")


class TransformedStorage:
    """A storage whose values are transformed on their way."""

    def __init__(self, inner: Storage, prefix: str, transformers: Mapping[str, Transformer]) -> None:
        self._inner = inner
        self._prefix = "/" + prefix.strip("/") + "/"
        self._transformers = transformers
        self._writers: dict[str, bytes] = {}

    def use(self, transformers: Mapping[str, Transformer]) -> None:
        """Take over a new configuration."""
        self._transformers = transformers

    def _of(self, key: str) -> Transformer | None:
        directory = split_directory(key[len(self._prefix) :])[0]
        return self._transformers.get(directory) or self._transformers.get("*")

    def _sealed(self, key: str, value: bytes) -> bytes:
        transformer = self._of(key)
        if transformer is None:
            return value
        self._writers[key] = transformer.providers[0].prefix
        return transformer.seal(value, key.encode())

    def _opened(self, key: str, stored: bytes) -> bytes:
        transformer = self._of(key)
        if transformer is None:
            return Identity().open(stored, b"")
        value = transformer.open(stored, key.encode())
        self._writers[key] = transformer.writer_of(stored)
        return value

    def _readable(self, item: KeyValue) -> KeyValue | None:
        try:
            return KeyValue(item.key, self._opened(item.key, item.value), item.revision)
        except UnreadableError as error:
            _LOG.error("a stored object can't be read", key=item.key, why=str(error))
            return None

    async def get(self, key: str) -> KeyValue | None:
        """Return the latest value of a key, or None."""
        found = await self._inner.get(key)
        return None if found is None else self._readable(found)

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Return keys under a prefix; what can't be read is left out."""
        page = await self._inner.list(prefix, start=start, limit=limit, revision=revision)
        items = [opened for item in page.items if (opened := self._readable(item)) is not None]
        return page._replace(items=items)

    async def create(self, key: str, value: bytes, *, lease: int = 0) -> int:
        """Write a new key."""
        return await self._inner.create(key, self._sealed(key, value), lease=lease)

    async def guarded_update(self, key: str, value: bytes, revision: int, *, lease: int = 0) -> int:
        """Replace a value last written at `revision`."""
        try:
            return await self._inner.guarded_update(key, self._sealed(key, value), revision, lease=lease)
        except KeyChangedError as error:
            raise KeyChangedError(error.current and self._readable(error.current)) from error

    async def guarded_delete(self, key: str, revision: int) -> int:
        """Delete a key last written at `revision`."""
        try:
            return await self._inner.guarded_delete(key, revision)
        except KeyChangedError as error:
            raise KeyChangedError(error.current and self._readable(error.current)) from error

    async def watch(self, prefix: str, revision: int) -> AsyncIterator[ChangeBatch]:
        """Yield changes; what can't be read is left out."""
        async for batch in self._inner.watch(prefix, revision):
            changes = []
            for change in batch.changes:
                if change.value is None:
                    self._writers.pop(change.key, None)
                    changes.append(change)
                    continue
                opened = self._readable(KeyValue(change.key, change.value, change.revision))
                if opened is not None:
                    changes.append(Change(change.key, opened.value, change.revision))
            yield ChangeBatch(changes, batch.revision)

    def is_stale(self, key: str) -> bool:
        """Whether another provider than today's writer wrote a key's value."""
        transformer = self._of(key)
        written = self._writers.get(key, b"")
        return bool(written) if transformer is None else written != transformer.providers[0].prefix

    async def current_revision(self) -> int:
        """Return the store's latest revision."""
        return await self._inner.current_revision()

    async def compact(self, revision: int) -> None:
        """Drop history before a revision."""
        await self._inner.compact(revision)

    async def grant_lease(self, seconds: int) -> int:
        """Return a new lease."""
        return await self._inner.grant_lease(seconds)

    async def close(self) -> None:
        """Close the connection."""
        await self._inner.close()
