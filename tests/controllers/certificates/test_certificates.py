"""Signing, approving and cleaning of CertificateSigningRequests."""

import base64
import datetime
import ipaddress
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from component.certificates import CertificateAuthority, new_private_key
from controllers.certificates import approval, cleaner, signers, signing

Obj = dict[str, Any]
CLIENT = ["digital signature", "client auth"]
SERVER = ["digital signature", "server auth"]
NOW = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.UTC)
AUTHORITY = CertificateAuthority.create("test")


def _pem(name: str, groups: tuple[str, ...] = (), alternatives: tuple[x509.GeneralName, ...] = ()) -> str:
    rows = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([*rows, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    request = builder.sign(new_private_key(), hashes.SHA256())
    return base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()


def _request(signer: str, pem: str, usages: list[str], *conditions: str, **spec: Any) -> Obj:
    return {
        "metadata": {"name": "r", "creationTimestamp": "2026-11-24T11:00:00Z"},
        "spec": {"signerName": signer, "request": pem, "usages": usages, **spec},
        "status": {"conditions": [{"type": one, "status": "True"} for one in conditions]},
    }


def _sign(request: Obj) -> x509.Certificate:
    pem = signing.sign(request, certificate_pem=AUTHORITY.certificate_pem, key_pem=AUTHORITY.key_pem, now=NOW)
    return x509.load_pem_x509_certificate(pem)


def test_a_certificate_has_what_was_asked_for() -> None:
    names = (x509.DNSName("node"), x509.IPAddress(ipaddress.ip_address("10.0.0.1")))
    pem = _pem("system:node:a", ("system:nodes",), names)
    made = _sign(_request(signers.KUBELET_SERVING, pem, SERVER, expirationSeconds=3600))
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(AUTHORITY.certificate_pem))
    assert made.subject.rfc4514_string() == "CN=system:node:a,O=system:nodes"
    assert list(made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == list(names)
    usages = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert made.not_valid_after_utc == NOW + datetime.timedelta(hours=1)
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_a_certificate_does_not_outlive_the_authority() -> None:
    ends = x509.load_pem_x509_certificate(AUTHORITY.certificate_pem).not_valid_after_utc
    made = _sign(_request(signers.API_SERVER_CLIENT, _pem("jane"), CLIENT, expirationSeconds=10**9))
    assert made.not_valid_after_utc == ends


@pytest.mark.parametrize(
    ("signer", "name", "groups", "alternatives", "usages", "told"),
    [
        (signers.API_SERVER_CLIENT, "jane", (), (), SERVER, "usages did not match"),
        (signers.KUBELET_CLIENT, "system:node:a", (), (), CLIENT, "subject organization is not system:nodes"),
        (signers.KUBELET_CLIENT, "jane", ("system:nodes",), (), CLIENT, "does not begin with system:node:"),
        (
            signers.KUBELET_CLIENT,
            "system:node:a",
            ("system:nodes",),
            (x509.DNSName("a"),),
            CLIENT,
            "subjectAltNames are not allowed",
        ),
        (signers.KUBELET_SERVING, "system:node:a", ("system:nodes",), (), SERVER, "DNS or IP subjectAltName"),
    ],
)
def test_a_signer_refuses_what_it_is_not_for(
    signer: str,
    name: str,
    groups: tuple[str, ...],
    alternatives: tuple[x509.GeneralName, ...],
    usages: list[str],
    told: str,
) -> None:
    with pytest.raises(signers.RequestError, match=told):
        _sign(_request(signer, _pem(name, groups, alternatives), usages))


def test_a_broken_request_is_refused() -> None:
    with pytest.raises(signers.RequestError, match="unable to parse csr"):
        _sign(_request(signers.LEGACY_UNKNOWN, base64.b64encode(b"nothing").decode(), CLIENT))


@pytest.mark.parametrize(
    ("conditions", "signer", "waits"),
    [
        (("Approved",), signers.API_SERVER_CLIENT, True),
        ((), signers.API_SERVER_CLIENT, False),
        (("Approved", "Failed"), signers.API_SERVER_CLIENT, False),
        (("Denied",), signers.API_SERVER_CLIENT, False),
        (("Approved",), "example.com/mine", False),
    ],
)
def test_only_approved_requests_of_our_signers_are_signed(
    conditions: tuple[str, ...], signer: str, waits: bool
) -> None:
    assert signing.waits_for_certificate(_request(signer, "", CLIENT, *conditions)) is waits


def test_a_node_is_asked_about_as_itself_only_for_its_own_name() -> None:
    pem = _pem("system:node:a", ("system:nodes",))
    own = _request(signers.KUBELET_CLIENT, pem, CLIENT, username="system:node:a")
    assert [way for way, _ in approval.ways(own)] == ["selfnodeclient", "nodeclient"]
    other = _request(signers.KUBELET_CLIENT, pem, CLIENT, username="system:bootstrap:x")
    assert [way for way, _ in approval.ways(other)] == ["nodeclient"]
    decided = _request(signers.KUBELET_CLIENT, pem, CLIENT, "Denied", username="system:node:a")
    assert approval.ways(decided) == []
    assert approval.ways(_request(signers.API_SERVER_CLIENT, pem, CLIENT)) == []


@pytest.mark.parametrize(
    ("condition", "certificate", "left"),
    [("", "", 23 * 3600), ("Denied", "", 1800), ("Failed", "", 1800), ("Approved", "c", 1800), ("Approved", "", 84600)],
)
def test_decided_requests_stay_an_hour_and_others_a_day(condition: str, certificate: str, left: float) -> None:
    request = _request(signers.API_SERVER_CLIENT, "", CLIENT)
    if condition:
        request["status"]["conditions"] = [{"type": condition, "lastUpdateTime": "2026-11-24T11:30:00Z"}]
    if certificate:
        request["status"]["certificate"] = certificate
    assert cleaner.seconds_left(request, NOW) == left
