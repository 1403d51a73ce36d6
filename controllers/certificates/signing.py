"""Approved CertificateSigningRequests of the built-in signers get a certificate of the cluster's CA.

Talks to the API server.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Final

from apimachinery.controller.runner import Controller
from apimachinery.objects.conditions import get_condition
from controllers.certificates import authority, signers

if TYPE_CHECKING:
    import datetime

    from apimachinery.objects.metadata import Obj
    from controllers.context import Context

REQUESTS: Final = "certificatesigningrequests.certificates.k8s.io"


def waits_for_certificate(request: Obj) -> bool:
    """Tell whether a request is approved and for one of the built-in signers to sign."""
    status = request.get("status") or {}
    if status.get("certificate") or (request.get("spec") or {}).get("signerName") not in signers.SIGNERS:
        return False
    return (
        get_condition(status, "Approved") is not None
        and get_condition(status, "Denied") is None
        and get_condition(status, "Failed") is None
    )


def sign(request: Obj, *, certificate_pem: bytes, key_pem: bytes, now: datetime.datetime) -> bytes:
    """Return the certificate in PEM.

    Raises:
        RequestError: the signer does not sign this.
    """
    spec = request["spec"]
    usages = list(spec.get("usages") or ())
    parsed = signers.parse(request)
    signers.SIGNERS[spec["signerName"]](signers.wish_of(parsed), frozenset(usages))
    return authority.sign(
        parsed,
        usages,
        spec.get("expirationSeconds"),
        certificate_pem=certificate_pem,
        key_pem=key_pem,
        now=now,
    )


def new(context: Context) -> Controller:
    """Wire the controller."""
    requests = context.informers.informer(REQUESTS)
    certificate_pem = Path(context.options.cluster_signing_cert_file).read_bytes()
    key_pem = Path(context.options.cluster_signing_key_file).read_bytes()

    async def reconcile(key: str) -> None:
        request = requests.store.get_key(key)
        if request is None or not waits_for_certificate(request):
            return
        status = dict(request.get("status") or {})
        now = context.clock.now()
        try:
            pem = sign(request, certificate_pem=certificate_pem, key_pem=key_pem, now=now)
            status["certificate"] = base64.b64encode(pem).decode()
        except signers.RequestError as error:
            failed = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": str(error)}
            status["conditions"] = [*(status.get("conditions") or ()), failed]
        await context.client.update(REQUESTS, {**request, "status": status}, subresource="status")

    controller = Controller("certificatesigningrequest-signing-controller", reconcile, workers=1)
    controller.watch(requests)
    return controller
