"""Encryption at rest: values are transformed between the server and etcd, as `--encryption-provider-config` says.

Formats are upstream's (`k8s:enc:<provider>:v1:<key name>:` before the bytes), so either server reads the other's data.
Providers: identity, aescbc, aesgcm. The first provider of a resource writes, all of them read.
"""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from apimachinery.resources import RESOURCES
from apiserver.storage.errors import KeyChangedError
from apiserver.storage.interface import Change, ChangeBatch, KeyValue, Page, Storage
from apiserver.storage.keys import resource_directory, split_directory
from component.logging import get_logger

_LOG = get_logger("encryption")
_MARK = b"k8s:enc:"
_BLOCK = 16
_NONCE = 12


class ConfigurationError(ValueError):
    """An encryption configuration that makes no sense."""


class UnreadableError(Exception):
    """A stored value that no configured key opens."""


class Provider(Protocol):
    """One way to keep values."""

    prefix: bytes

    def seal(self, value: bytes, context: bytes) -> bytes:
        """Return what is stored, without the prefix."""

    def open(self, stored: bytes, context: bytes) -> bytes:
        """Return the value; `UnreadableError`."""


class Identity:
    """Values as they are."""

    prefix = b""

    def seal(self, value: bytes, context: bytes) -> bytes:
        """Return the value."""
        del context
        return value

    def open(self, stored: bytes, context: bytes) -> bytes:
        """Return the value, unless it is encrypted."""
        del context
        if stored.startswith(_MARK):
            raise UnreadableError("encrypted with a key that is not configured")
        return stored


class AesCbc:
    """AES-CBC with PKCS#7 padding and a random IV before the ciphertext."""

    def __init__(self, name: str, key: bytes) -> None:
        self.prefix = _MARK + f"aescbc:v1:{name}:".encode()
        self._key = key

    def _cipher(self, vector: bytes) -> Any:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        return Cipher(algorithms.AES(self._key), modes.CBC(vector))

    def seal(self, value: bytes, context: bytes) -> bytes:
        """Return IV and ciphertext."""
        del context
        vector = os.urandom(_BLOCK)
        missing = _BLOCK - len(value) % _BLOCK
        encryptor = self._cipher(vector).encryptor()
        return bytes(vector + encryptor.update(value + bytes([missing]) * missing) + encryptor.finalize())

    def open(self, stored: bytes, context: bytes) -> bytes:
        """Return the value; `UnreadableError`."""
        del context
        if len(stored) < 2 * _BLOCK or len(stored) % _BLOCK:
            raise UnreadableError("not a whole number of blocks")
        decryptor = self._cipher(stored[:_BLOCK]).decryptor()
        value = bytes(decryptor.update(stored[_BLOCK:]) + decryptor.finalize())
        missing = value[-1]
        if not 1 <= missing <= _BLOCK or value[-missing:] != bytes([missing]) * missing:
            raise UnreadableError("wrong padding")
        return value[:-missing]


class AesGcm:
    """AES-GCM, bound to the key of the object."""

    def __init__(self, name: str, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.prefix = _MARK + f"aesgcm:v1:{name}:".encode()
        self._cipher = AESGCM(key)

    def seal(self, value: bytes, context: bytes) -> bytes:
        """Return nonce and ciphertext."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, value, context)

    def open(self, stored: bytes, context: bytes) -> bytes:
        """Return the value; `UnreadableError`."""
        from cryptography.exceptions import InvalidTag

        try:
            return bytes(self._cipher.decrypt(stored[:_NONCE], stored[_NONCE:], context))
        except (InvalidTag, ValueError) as error:
            raise UnreadableError("the tag does not match") from error


@dataclass(frozen=True, slots=True)
class Transformer:
    """The providers of some resources."""

    providers: tuple[Provider, ...]

    def seal(self, value: bytes, context: bytes) -> bytes:
        """Return what is stored."""
        return self.providers[0].prefix + self.providers[0].seal(value, context)

    def open(self, stored: bytes, context: bytes) -> bytes:
        """Return the value; `UnreadableError`."""
        for provider in self.providers:
            if provider.prefix and stored.startswith(provider.prefix):
                return provider.open(stored[len(provider.prefix) :], context)
        return Identity().open(stored, context)


def _keyed(kind: type[AesCbc] | type[AesGcm], body: Any) -> list[Provider]:
    made: list[Provider] = []
    for row in (body or {}).get("keys") or []:
        try:
            key = base64.b64decode(row["secret"], validate=True)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError("each key needs a name and a base64 secret") from error
        if len(key) not in (16, 24, 32):
            raise ConfigurationError(f'key "{row.get("name")}" must have 16, 24 or 32 bytes')
        made.append(kind(str(row.get("name", "")), key))
    if not made:
        raise ConfigurationError("a provider has no keys")
    return made


def _providers(rows: Any) -> tuple[Provider, ...]:
    made: list[Provider] = []
    for row in rows or []:
        for name, body in row.items():
            if name == "identity":
                made.append(Identity())
            elif name in ("aescbc", "aesgcm"):
                made.extend(_keyed(AesCbc if name == "aescbc" else AesGcm, body))
            else:
                raise ConfigurationError(f'provider "{name}" is not supported, valid: identity, aescbc, aesgcm')
    if not made:
        raise ConfigurationError("no providers")
    return tuple(made)


def _directories(name: str) -> list[str]:
    """Return the directories a configured resource name means (`*.*`, `*.group`, `plural.group`)."""
    plural, _, group = name.partition(".")
    if name == "*.*":
        return ["*"]
    if plural == "*":
        return [resource_directory(one.group, one.plural) for one in RESOURCES if one.group == group]
    known = any((one.group, one.plural) == (group, plural) for one in RESOURCES)
    return [resource_directory(group, plural, custom=bool(group) and not known)]


def read_configuration(path: str) -> dict[str, Transformer]:
    """Return transformers by directory (`*`: all others) from an EncryptionConfiguration; `ConfigurationError`."""
    import yaml

    try:
        document = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"failed to read {path}: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != "EncryptionConfiguration":
        raise ConfigurationError(f"{path}: kind must be EncryptionConfiguration")
    made: dict[str, Transformer] = {}
    for row in document.get("resources") or []:
        transformer = Transformer(_providers(row.get("providers")))
        for name in row.get("resources") or []:
            for directory in _directories(str(name)):
                made.setdefault(directory, transformer)
    return made


class TransformedStorage:
    """A storage whose values are transformed on their way."""

    def __init__(self, inner: Storage, prefix: str, transformers: dict[str, Transformer]) -> None:
        self._inner = inner
        self._prefix = "/" + prefix.strip("/") + "/"
        self._transformers = transformers

    def _of(self, key: str) -> Transformer | None:
        directory = split_directory(key[len(self._prefix) :])[0]
        return self._transformers.get(directory) or self._transformers.get("*")

    def _sealed(self, key: str, value: bytes) -> bytes:
        transformer = self._of(key)
        return value if transformer is None else transformer.seal(value, key.encode())

    def _opened(self, key: str, stored: bytes) -> bytes:
        transformer = self._of(key)
        return Identity().open(stored, b"") if transformer is None else transformer.open(stored, key.encode())

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
        return Page(items, page.revision, page.remaining)

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
                    changes.append(change)
                    continue
                opened = self._readable(KeyValue(change.key, change.value, change.revision))
                if opened is not None:
                    changes.append(Change(change.key, opened.value, change.revision))
            yield ChangeBatch(changes, batch.revision)

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
