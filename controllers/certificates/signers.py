"""The built-in signers of CertificateSigningRequests: what each one accepts (pure).

Source: the reference of certificate signing requests, "Kubernetes signers".
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from apimachinery.objects.metadata import Obj

API_SERVER_CLIENT: Final = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT: Final = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING: Final = "kubernetes.io/kubelet-serving"
LEGACY_UNKNOWN: Final = "kubernetes.io/legacy-unknown"

_NODES: Final = "system:nodes"
_NODE_PREFIX: Final = "system:node:"
_CLIENT: Final = frozenset({"key encipherment", "digital signature", "client auth"})
_SERVER: Final = frozenset({"key encipherment", "digital signature", "server auth"})


class RequestError(ValueError):
    """A request that its signer must not sign; the text tells why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a certificate request asks for.

    Attributes:
        common_name: The user or server.
        organizations: The groups.
        dns: Host names.
        ips: Addresses.
        others: Names of other kinds (e-mail addresses, URIs).
    """

    common_name: str
    organizations: tuple[str, ...]
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def parse(request: Obj) -> x509.CertificateSigningRequest:
    """Return the PKCS#10 request inside a CertificateSigningRequest.

    Raises:
        RequestError: it is no request, or its signature is wrong.
    """
    from cryptography import x509

    try:
        found = x509.load_pem_x509_csr(base64.b64decode((request.get("spec") or {}).get("request") or ""))
        valid = found.is_signature_valid
    except (ValueError, TypeError, binascii.Error) as error:
        raise RequestError(f"unable to parse csr: {error}") from error
    if not valid:
        raise RequestError("unable to parse csr: the signature is not valid")
    return found


def wish_of(request: x509.CertificateSigningRequest) -> Wish:
    """Return what a PKCS#10 request asks for."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    def rows(oid: x509.ObjectIdentifier) -> tuple[str, ...]:
        return tuple(str(row.value) for row in request.subject.get_attributes_for_oid(oid))

    try:
        names = list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = []
    return Wish(
        common_name="".join(rows(NameOID.COMMON_NAME)[:1]),
        organizations=rows(NameOID.ORGANIZATION_NAME),
        dns=tuple(one.value for one in names if isinstance(one, x509.DNSName)),
        ips=tuple(str(one.value) for one in names if isinstance(one, x509.IPAddress)),
        others=tuple(str(one.value) for one in names if not isinstance(one, (x509.DNSName, x509.IPAddress))),
    )


def _of_a_node(wish: Wish) -> None:
    if wish.organizations != (_NODES,):
        raise RequestError("subject organization is not system:nodes")
    if not wish.common_name.startswith(_NODE_PREFIX):
        raise RequestError("subject common name does not begin with system:node:")


def _exactly(usages: frozenset[str], wanted: frozenset[str]) -> None:
    if usages not in (wanted, wanted - {"key encipherment"}):
        raise RequestError(f"usages did not match {sorted(wanted)}")


def _api_server_client(wish: Wish, usages: frozenset[str]) -> None:
    del wish
    if "client auth" not in usages or usages - _CLIENT:
        raise RequestError(f"usages did not match {sorted(_CLIENT)}")


def check_kubelet_client(wish: Wish, usages: frozenset[str]) -> None:
    """Refuse what is not the client certificate of a node.

    Raises:
        RequestError: telling what is wrong.
    """
    _of_a_node(wish)
    if wish.dns or wish.ips or wish.others:
        raise RequestError("subjectAltNames are not allowed")
    _exactly(usages, _CLIENT)


def _kubelet_serving(wish: Wish, usages: frozenset[str]) -> None:
    _of_a_node(wish)
    if not wish.dns and not wish.ips:
        raise RequestError("DNS or IP subjectAltName is required")
    if wish.others:
        raise RequestError("email and URI subjectAltNames are not allowed")
    _exactly(usages, _SERVER)


def _anything(wish: Wish, usages: frozenset[str]) -> None:
    del wish, usages


SIGNERS: Final[dict[str, Callable[[Wish, frozenset[str]], None]]] = {
    API_SERVER_CLIENT: _api_server_client,
    KUBELET_CLIENT: check_kubelet_client,
    KUBELET_SERVING: _kubelet_serving,
    LEGACY_UNKNOWN: _anything,
}
"""Signer names, and what refuses a request that the signer must not sign."""
