import base64
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from apimachinery.errors import Forbidden
from apiserver.admission.certificate_signing import ClusterTrustBundleAttest
from apiserver.authorization.attributes import Decision
from component.certificates import new_private_key
from tests.apiserver.admission.plugins import attributes
from tests.apiserver.conftest import Api

pytestmark = pytest.mark.live

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
CLIENT = "kubernetes.io/kube-apiserver-client"


def signing_request(name, signer=CLIENT, *organizations, common_name="jane"):
    rows = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    subject = x509.Name([*rows, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(new_private_key(), hashes.SHA256())
    pem = base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"request": pem, "signerName": signer, "usages": ["client auth", "digital signature"]}
    meta = {"name": name}
    return {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": meta, "spec": spec}


def allow(api, name, verb, signer):
    group = {"apiGroups": ["certificates.k8s.io"]}
    parts = ["certificatesigningrequests/approval", "certificatesigningrequests/status"]
    api.grant(
        name,
        group | {"resources": ["signers"], "verbs": [verb], "resourceNames": [signer]},
        group | {"resources": parts, "verbs": ["*"]},
    )


def change(api, path, user, status):
    body = Api.encode({"status": status})
    code, _, answer = api.raw("PATCH", path, body, Content_Type="application/merge-patch+json", Impersonate_User=user)
    return code, answer.decode()


def test_nobody_asks_for_a_certificate_of_the_masters(api):
    status, answer = api.json("POST", CSRS, signing_request("masters", CLIENT, "system:masters"))
    assert (status, answer["message"]) == (
        403,
        f'certificatesigningrequests.certificates.k8s.io "masters" is forbidden: use of {CLIENT} signer with '
        "system:masters group is not allowed",
    )
    assert api.json("POST", CSRS, signing_request("others", "example.com/own", "system:masters"))[0] == 201


def test_approving_and_signing_need_a_right_on_the_signer(api):
    signer = "example.com/mine"
    assert api.json("POST", CSRS, signing_request("asked", signer))[0] == 201
    allow(api, "approver", "approve", signer)
    allow(api, "signer", "sign", "example.com/*")
    path = f"{CSRS}/asked"
    approved = {"conditions": [{"type": "Approved", "status": "True", "reason": "x", "message": "y"}]}
    code, text = change(api, f"{path}/approval", "signer", approved)
    assert code == 403
    assert f'user not permitted to approve requests with signerName \\"{signer}\\"' in text
    assert change(api, f"{path}/approval", "approver", approved)[0] == 200
    pem = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg=="
    code, text = change(api, f"{path}/status", "approver", {"certificate": pem})
    assert code == 403
    assert f'user not permitted to sign requests with signerName \\"{signer}\\"' in text


class Attester:
    def authorize(self, attrs):
        return Decision(attrs.verb == "attest" and attrs.resource == "signers" and attrs.name == "example.com/*")


async def test_publishing_a_signers_bundle_needs_a_right_on_it():
    plugin = ClusterTrustBundleAttest(SimpleNamespace(authorizer=Attester()))

    def bundle(signer):
        return {"metadata": {"name": "b"}, "spec": {"signerName": signer, "trustBundle": "x"}}

    await plugin.validate(attributes(bundle("example.com/mine"), "configmaps"))
    await plugin.validate(attributes({"metadata": {"name": "b"}, "spec": {"trustBundle": "x"}}, "configmaps"))
    with pytest.raises(Forbidden, match=r'user not permitted to attest for signerName "other\.com/x"'):
        await plugin.validate(attributes(bundle("other.com/x"), "configmaps"))
    same = attributes(bundle("other.com/x"), "configmaps", "UPDATE", old=bundle("other.com/x"))
    await plugin.validate(same)
