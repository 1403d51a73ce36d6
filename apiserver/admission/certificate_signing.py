"""The certificate plugins: who may approve, sign and attest for a signer, and ask for what."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, OnResources, PluginServices
from apiserver.authentication.user import MASTERS
from apiserver.authorization.attributes import AuthorizationAttributes

_CSR: Final = "certificatesigningrequests.certificates.k8s.io"
_BUNDLES: Final = "clustertrustbundles.certificates.k8s.io"
_GROUP: Final = "certificates.k8s.io"
_CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client"


def may_act_for_signer(authorizer: Any, attrs: AdmissionAttributes, verb: str, signer: str) -> bool:
    """Ask for the signer's own name, then for its whole domain (`domain/*`)."""
    domain = signer.split("/", 1)[0]
    return any(
        authorizer.authorize(
            AuthorizationAttributes(
                user=attrs.user, verb=verb, group=_GROUP, version="*", resource="signers", name=name
            )
        ).allowed
        for name in (signer, f"{domain}/*")
    )


def _signer(csr: Obj | None) -> str:
    return str(((csr or {}).get("spec") or {}).get("signerName", ""))


class CertificateApproval(OnResources):
    """Only approvers of a signer may approve its requests."""

    name = "CertificateApproval"
    on = frozenset({(UPDATE, _CSR, "approval")})

    def __init__(self, services: PluginServices) -> None:
        self._authorizer = services.authorizer

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Ask the authorizer."""
        signer = _signer(attrs.old_object or attrs.object)
        if not may_act_for_signer(self._authorizer, attrs, "approve", signer):
            raise attrs.forbidden(f'user not permitted to approve requests with signerName "{signer}"')


class CertificateSigning(OnResources):
    """Only a signer may issue its certificates."""

    name = "CertificateSigning"
    on = frozenset({(UPDATE, _CSR, "status")})

    def __init__(self, services: PluginServices) -> None:
        self._authorizer = services.authorizer

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Ask the authorizer when the certificate or the conditions change."""
        new = (attrs.object or {}).get("status") or {}
        old = (attrs.old_object or {}).get("status") or {}
        if new.get("certificate") == old.get("certificate") and new.get("conditions") == old.get("conditions"):
            return
        signer = _signer(attrs.old_object or attrs.object)
        if not may_act_for_signer(self._authorizer, attrs, "sign", signer):
            raise attrs.forbidden(f'user not permitted to sign requests with signerName "{signer}"')


class CertificateSubjectRestriction(OnResources):
    """Nobody asks for a client certificate of system:masters."""

    name = "CertificateSubjectRestriction"
    on = frozenset({(CREATE, _CSR, "")})

    def __init__(self, services: PluginServices) -> None:
        del services

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Look at the request's organizations."""
        if _signer(attrs.object) != _CLIENT_SIGNER:
            return
        from cryptography import x509
        from cryptography.x509.oid import NameOID

        encoded = ((attrs.object or {}).get("spec") or {}).get("request", "")
        try:
            request = x509.load_pem_x509_csr(base64.b64decode(encoded))
        except (ValueError, binascii.Error) as error:
            raise attrs.forbidden(f"failed to parse CSR: {error}") from error
        organizations = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        if any(attribute.value == MASTERS for attribute in organizations):
            raise attrs.forbidden(f"use of {_CLIENT_SIGNER} signer with {MASTERS} group is not allowed")


class ClusterTrustBundleAttest(OnResources):
    """Only attesters of a signer may publish its trust bundles."""

    name = "ClusterTrustBundleAttest"
    on = frozenset({(CREATE, _BUNDLES, ""), (UPDATE, _BUNDLES, "")})

    def __init__(self, services: PluginServices) -> None:
        self._authorizer = services.authorizer

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Ask the authorizer when a bundle is a signer's and its spec changes."""
        signer = _signer(attrs.object)
        same = attrs.operation == UPDATE and (attrs.object or {}).get("spec") == (attrs.old_object or {}).get("spec")
        if signer and not same and not may_act_for_signer(self._authorizer, attrs, "attest", signer):
            raise attrs.forbidden(f'user not permitted to attest for signerName "{signer}"')
