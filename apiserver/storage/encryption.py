"""Ways to keep values in etcd: as they are, or encrypted.

Formats are upstream's (`k8s:enc:<provider>:v1:<key name>:` before the bytes), so either server reads the other's data.
The first provider of a resource writes, all of them read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Protocol

_MARK = b"k8s:enc:"
_BLOCK = 16
_NONCE = 12


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


class Secretbox:
    """XSalsa20 and Poly1305 with a random nonce before the ciphertext."""

    def __init__(self, name: str, key: bytes) -> None:
        from nacl.secret import SecretBox

        self.prefix = _MARK + f"secretbox:v1:{name}:".encode()
        self._box = SecretBox(key)

    def seal(self, value: bytes, context: bytes) -> bytes:
        """Return nonce and ciphertext."""
        del context
        return bytes(self._box.encrypt(value))

    def open(self, stored: bytes, context: bytes) -> bytes:
        """Return the value; `UnreadableError`."""
        from nacl.exceptions import CryptoError

        del context
        try:
            return bytes(self._box.decrypt(stored))
        except (CryptoError, ValueError, TypeError) as error:
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

    def writer_of(self, stored: bytes) -> bytes:
        """Return the prefix of the provider that wrote a value."""
        return next((one.prefix for one in self.providers if one.prefix and stored.startswith(one.prefix)), b"")
