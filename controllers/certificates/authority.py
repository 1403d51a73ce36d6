"""Signs certificate requests with the cluster's CA: usages and lifetime as asked for, never past its own end."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography import x509

BACKDATE: Final = datetime.timedelta(minutes=5)
DEFAULT_SECONDS: Final = 365 * 24 * 3600
_LEAST_SECONDS: Final = 600
_KEY_USAGES: Final = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
_EXTENDED: Final = {
    "any": "2.5.29.37.0",
    "server auth": "1.3.6.1.5.5.7.3.1",
    "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3",
    "email protection": "1.3.6.1.5.5.7.3.4",
    "s/mime": "1.3.6.1.5.5.7.3.4",
    "ipsec end system": "1.3.6.1.5.5.7.3.5",
    "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
    "netscape sgc": "2.16.840.1.113730.4.1",
}


def lifetime(
    seconds: int | None, now: datetime.datetime, ends: datetime.datetime
) -> tuple[datetime.datetime, datetime.datetime]:
    """Return from when to when a certificate is valid.

    Args:
        seconds: What was asked for (`spec.expirationSeconds`).
        now: This moment.
        ends: When the CA's own certificate ends.
    """
    wanted = datetime.timedelta(seconds=max(seconds if seconds is not None else DEFAULT_SECONDS, _LEAST_SECONDS))
    return now - BACKDATE, min(now + wanted, ends)


def sign(
    request: x509.CertificateSigningRequest,
    usages: list[str],
    seconds: int | None,
    *,
    certificate_pem: bytes,
    key_pem: bytes,
    now: datetime.datetime,
) -> bytes:
    """Return a certificate in PEM.

    Args:
        request: Whose subject, names and key are certified.
        usages: Usages by their Kubernetes names.
        seconds: How long it is to be valid; None for a year.
        certificate_pem: The CA.
        key_pem: Its key.
        now: This moment.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    authority = x509.load_pem_x509_certificate(certificate_pem)
    begins, ends = lifetime(seconds, now, authority.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(authority.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
    )
    bits = {_KEY_USAGES[usage] for usage in usages if usage in _KEY_USAGES}
    if bits:
        flags = {name: name in bits for name in _KEY_USAGES.values()}
        builder = builder.add_extension(x509.KeyUsage(**flags), critical=True)
    purposes = dict.fromkeys(_EXTENDED[usage] for usage in usages if usage in _EXTENDED)
    if purposes:
        extended = x509.ExtendedKeyUsage([x509.ObjectIdentifier(purpose) for purpose in purposes])
        builder = builder.add_extension(extended, critical=False)
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        builder = builder.add_extension(names.value, critical=False)
    except x509.ExtensionNotFound:
        pass
    key = serialization.load_pem_private_key(key_pem, password=None)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)  # type: ignore[arg-type]
