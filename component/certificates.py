"""Keys and certificates: ECDSA P-256, PEM in and out, made with `cryptography` (imported only when used)."""

import datetime
import ipaddress
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_AUTHORITY_DAYS = 3650
_BACKDATED = datetime.timedelta(hours=1)


def write_secret_file(path: str, data: bytes) -> None:
    """Write a file that only its owner may read; whole or not at all."""
    temporary = f"{path}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(data)
    os.replace(temporary, path)


def new_private_key() -> "EllipticCurvePrivateKey":
    """A fresh ECDSA P-256 key."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def private_key_pem(key: "EllipticCurvePrivateKey") -> bytes:
    """The key in SEC1 PEM, unencrypted."""
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def new_signing_key() -> tuple[bytes, bytes]:
    """A key pair for signing tokens: private and public key in PEM."""
    from cryptography.hazmat.primitives import serialization

    key = new_private_key()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private_key_pem(key), public


def _name(common_name: str, organizations: tuple[str, ...] = ()) -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    rows = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
    return x509.Name([*rows, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """A certificate authority.

    Attributes:
        certificate_pem: Its self-signed certificate.
        key_pem: Its private key.
    """

    certificate_pem: bytes
    key_pem: bytes

    @classmethod
    def create(cls, common_name: str) -> Self:
        """A new authority, valid for ten years."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        key = new_private_key()
        now = datetime.datetime.now(datetime.UTC)
        name = _name(common_name)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + datetime.timedelta(days=_AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(sign_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate.public_bytes(serialization.Encoding.PEM), private_key_pem(key))

    @classmethod
    def load(cls, certificate_path: str, key_path: str) -> Self:
        """Read an authority from its two files."""
        with open(certificate_path, "rb") as certificate, open(key_path, "rb") as key:
            return cls(certificate.read(), key.read())

    def issue(
        self,
        common_name: str,
        *,
        organizations: tuple[str, ...] = (),
        dns: tuple[str, ...] = (),
        ips: tuple[str, ...] = (),
        usage: str = "client",
        days: int = 365,
    ) -> tuple[bytes, bytes]:
        """A new leaf and its key, both in PEM.

        Args:
            common_name: The user name of a client, or a server's name.
            organizations: A client's groups.
            dns: Host names a server answers for.
            ips: Addresses a server answers for.
            usage: `client`, `server` or `both`.
            days: How long it is valid.
        """
        key = new_private_key()
        pem = self.sign(key.public_key(), _name(common_name, organizations), dns=dns, ips=ips, usage=usage, days=days)
        return pem, private_key_pem(key)

    def sign(
        self,
        public_key: object,
        subject: "x509.Name",
        *,
        dns: tuple[str, ...] = (),
        ips: tuple[str, ...] = (),
        usage: str = "client",
        days: float = 365,
    ) -> bytes:
        """A certificate in PEM for somebody else's key."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.x509.oid import ExtendedKeyUsageOID

        authority = x509.load_pem_x509_certificate(self.certificate_pem)
        signer = serialization.load_pem_private_key(self.key_pem, password=None)
        purposes = {
            "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
            "server": [ExtendedKeyUsageOID.SERVER_AUTH],
            "both": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
        }[usage]
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority.subject)
            .public_key(public_key)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),  # type: ignore[arg-type]
                critical=False,
            )
        )
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dict.fromkeys(dns)]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in dict.fromkeys(ips)]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]
        return certificate.public_bytes(serialization.Encoding.PEM)


def _key_usage(*, sign_certificates: bool = False) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not sign_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )
