"""Signing and verification keys of ServiceAccount tokens.

Loads PEM files (public keys, private keys, certificates), names each key as upstream does (`kid` is the unpadded
base64url SHA-256 of the DER public key) and shows the public half as a JSON web key. `cryptography` is imported only
when the first key is loaded.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BLOCK = b"-----BEGIN "


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key, its id and the one algorithm it is good for."""

    kid: str
    algorithm: str
    key: Any


def b64url(data: bytes) -> str:
    """Encode without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def algorithm_of(public: Any) -> str:
    """Return the JWS algorithm of a public key; ValueError for kinds Kubernetes does not use."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(public, rsa.RSAPublicKey):
        return "RS256"
    if isinstance(public, ec.EllipticCurvePublicKey):
        return {256: "ES256", 384: "ES384", 521: "ES512"}[public.curve.key_size]
    raise ValueError(f"unsupported key type {type(public).__name__} for service account tokens")


def key_id(public: Any) -> str:
    """Return upstream's key id."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64url(hashlib.sha256(der).digest())


def verification_key(public: Any) -> VerificationKey:
    """Wrap a public key."""
    return VerificationKey(key_id(public), algorithm_of(public), public)


def _blocks(pem: bytes) -> list[bytes]:
    return [_BLOCK + part for part in pem.split(_BLOCK)[1:]]


def load_public_keys(pem: bytes) -> list[Any]:
    """Return every public key in a PEM file (of public keys, private keys and certificates)."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    out: list[Any] = []
    for block in _blocks(pem):
        kind = block.split(b"-----", 2)[1]
        if b"CERTIFICATE" in kind:
            out.append(x509.load_pem_x509_certificate(block).public_key())
        elif b"PRIVATE KEY" in kind:
            out.append(load_pem_private_key(block, None).public_key())
        elif b"PUBLIC KEY" in kind:
            out.append(load_pem_public_key(block))
    if not out:
        raise ValueError("no public key found in the service account key file")
    return out


def load_verification_keys(paths: tuple[str, ...]) -> list[VerificationKey]:
    """Load all files."""
    return [verification_key(key) for path in paths for key in load_public_keys(Path(path).read_bytes())]


def load_signing_key(path: str) -> Any:
    """Load the private key tokens are signed with."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(Path(path).read_bytes(), None)


def _coordinate(value: int, size: int) -> str:
    return b64url(value.to_bytes(size, "big"))


def json_web_key(key: VerificationKey) -> dict[str, str]:
    """Return the RFC 7517 form of a public key."""
    out = {"use": "sig", "kid": key.kid, "alg": key.algorithm}
    numbers = key.key.public_numbers()
    if key.algorithm.startswith("RS"):
        size = (numbers.n.bit_length() + 7) // 8
        exponent = (numbers.e.bit_length() + 7) // 8
        return {**out, "kty": "RSA", "n": _coordinate(numbers.n, size), "e": _coordinate(numbers.e, exponent)}
    size = (key.key.curve.key_size + 7) // 8
    curve = {256: "P-256", 384: "P-384", 521: "P-521"}[key.key.curve.key_size]
    x, y = _coordinate(numbers.x, size), _coordinate(numbers.y, size)
    return {**out, "kty": "EC", "crv": curve, "x": x, "y": y}
