"""Client certificates: CN is the user, O the groups, an attribute of Kubernetes' own the UID.

Each is verified once, then remembered.

The TLS layer has already proven that the peer holds the key and that the chain ends in one of the configured roots;
what is decided here is in which of the two (client CA or front-proxy CA).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from apiserver.authentication.user import UserInfo

_REMEMBERED: Final = 4096
_UID: Final = "1.3.6.1.4.1.57683.2"


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What a certificate says and which root vouches for it."""

    common_name: str
    user: UserInfo | None
    front_proxy: bool
    expires: float


class Certificates:
    """Reads peer certificates."""

    def __init__(self, client_ca: str, request_header_ca: str, *, now: Callable[[], float] = time.time) -> None:
        self._client_path = client_ca
        self._proxy_path = request_header_ca
        self._now = now
        self._roots: tuple[list[Any], list[Any]] | None = None
        self._known: dict[bytes, ClientCertificate] = {}

    def read(self, der: bytes) -> ClientCertificate | None:
        """Return what the certificate says; None when it is out of date or no root of ours vouches for it."""
        known = self._known.get(der)
        if known is None:
            known = self._verify(der)
            if known is None:
                return None
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[der] = known
        if known.expires <= self._now():
            return None
        return known

    def _load(self) -> tuple[list[Any], list[Any]]:
        if self._roots is None:
            from cryptography import x509

            def roots(path: str) -> list[Any]:
                return x509.load_pem_x509_certificates(Path(path).read_bytes()) if path else []

            self._roots = (roots(self._client_path), roots(self._proxy_path))
        return self._roots

    def _verify(self, der: bytes) -> ClientCertificate | None:
        from cryptography import x509
        from cryptography.x509.oid import NameOID

        certificate = x509.load_der_x509_certificate(der)
        clients, proxies = self._load()
        by_client = any(_issued_by(certificate, root) for root in clients)
        by_proxy = any(_issued_by(certificate, root) for root in proxies)
        if not by_client and not by_proxy:
            # An intermediate lies between; TLS verified the chain, so with one set of roots it is clear which.
            if proxies:
                return None
            by_client = True
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        common_name = str(names[0].value) if names else ""
        organizations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        groups = tuple(str(attribute.value) for attribute in organizations)
        user = None
        uids = [str(one.value) for one in certificate.subject if one.oid.dotted_string == _UID]
        if uids and (len(uids) > 1 or not uids[0]):
            # A certificate that names its user badly names nobody (KEP-5141).
            return None
        if by_client and common_name:
            fingerprint = certificate.fingerprint(_sha256()).hex()
            extra: dict[str, tuple[str, ...]] = {
                "authentication.kubernetes.io/credential-id": (f"X509SHA256={fingerprint}",)
            }
            user = UserInfo(common_name, uids[0] if uids else "", groups, extra)
        expires = certificate.not_valid_after_utc.timestamp()
        return ClientCertificate(common_name, user, by_proxy, expires)


def _sha256() -> Any:
    from cryptography.hazmat.primitives import hashes

    return hashes.SHA256()


def _issued_by(certificate: Any, root: Any) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
