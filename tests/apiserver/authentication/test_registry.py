import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from apimachinery.errors import APIError, Forbidden, Unauthorized
from apiserver.authentication.discovery import openid_documents
from apiserver.authentication.impersonation import requested_user
from apiserver.authentication.registry import Authenticator, RequestCredentials, bearer_token
from apiserver.authentication.token_keys import verification_key
from apiserver.authentication.user import UserInfo
from apiserver.authorization.attributes import AuthorizationAttributes, Decision
from apiserver.registry.authentication.reviews import AuthenticationReviews
from apiserver.registry.core.service_account_token import ServiceAccountTokenRequests
from tests.apiserver.fake_listers import Cluster

ISSUER = "https://kubernetes.default.svc.cluster.local"


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture
def cluster():
    made = Cluster()
    made.put("serviceaccounts", {"metadata": {"name": "bot", "namespace": "ns", "uid": "u-bot"}})
    made.put("nodes", {"metadata": {"name": "n1", "uid": "u-n1"}})
    spec = {"serviceAccountName": "bot", "nodeName": "n1"}
    made.put("pods", {"metadata": {"name": "p", "namespace": "ns", "uid": "u-p"}, "spec": spec})
    return made


@pytest.fixture
def options(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "sa.key").write_bytes(pem(key))

    class Options:
        service_account_issuer = ISSUER
        service_account_key_file = (str(tmp_path / "sa.key"),)
        service_account_signing_key_file = str(tmp_path / "sa.key")
        token_auth_file = str(tmp_path / "tokens.csv")
        anonymous_auth = True
        enable_bootstrap_token_auth = True

    (tmp_path / "tokens.csv").write_text('secret,joe,7,"a,b"\n')
    return Options


async def token(options, cluster, **spec):
    made = await ServiceAccountTokenRequests(options, cluster).create(UserInfo("x"), {"spec": spec}, "ns", "bot")
    return made["status"]["token"]


def credentials(token):
    return RequestCredentials(None, {"Authorization": f"Bearer {token}"})


async def test_a_service_account_token_names_its_account(options, cluster):
    text = await token(options, cluster)
    user = await Authenticator(options, cluster).authenticate(credentials(text))
    assert user.name == "system:serviceaccount:ns:bot"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    assert user.uid == "u-bot"


async def test_a_token_ends_with_its_pod_and_tells_node_and_pod(options, cluster):
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "u-p"}
    text = await token(options, cluster, boundObjectRef=reference, expirationSeconds=3607)
    claims = jwt.decode(text, options={"verify_signature": False})
    assert claims["kubernetes.io"]["node"] == {"name": "n1", "uid": "u-n1"}
    assert claims["kubernetes.io"]["warnafter"] == claims["iat"] + 3607
    assert claims["exp"] - claims["iat"] == 365 * 24 * 3600
    authenticator = Authenticator(options, cluster)
    user = await authenticator.authenticate(credentials(text))
    assert user.extra["authentication.kubernetes.io/pod-name"] == ("p",)
    assert user.extra["authentication.kubernetes.io/node-uid"] == ("u-n1",)
    assert user.extra["authentication.kubernetes.io/credential-id"] == ("JTI=" + claims["jti"],)
    cluster.by_name["pods"].drop("ns", "p")
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(credentials(text))


async def test_a_token_ends_with_its_account(options, cluster):
    text = await token(options, cluster)
    cluster.put("serviceaccounts", {"metadata": {"name": "bot", "namespace": "ns", "uid": "other"}})
    with pytest.raises(Unauthorized):
        await Authenticator(options, cluster).authenticate(credentials(text))


async def test_foreign_audiences_are_for_reviews_only(options, cluster):
    text = await token(options, cluster, audiences=["vault"])
    authenticator = Authenticator(options, cluster)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(credentials(text))
    reviews = AuthenticationReviews(authenticator)
    answer = await reviews.token_review(UserInfo("x"), {"spec": {"token": text, "audiences": ["vault", "y"]}}, "", "")
    assert answer["status"]["authenticated"]
    assert answer["status"]["audiences"] == ["vault"]
    answer = await reviews.token_review(UserInfo("x"), {"spec": {"token": text}}, "", "")
    assert "authenticated" not in answer["status"]
    assert "invalid for the target audiences" in answer["status"]["error"]


async def test_rs256_tokens_of_a_listed_key_are_accepted_and_forged_ones_not(options, cluster, tmp_path):
    import time

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "old.key").write_bytes(pem(key))
    options.service_account_key_file = (*options.service_account_key_file, str(tmp_path / "old.key"))
    now = int(time.time())
    ours = {"namespace": "ns", "serviceaccount": {"name": "bot", "uid": "u-bot"}}
    claims = {"iss": ISSUER, "aud": [ISSUER], "exp": now + 60, "iat": now, "kubernetes.io": ours}
    claims["sub"] = "system:serviceaccount:ns:bot"
    kid = verification_key(key.public_key()).kid
    authenticator = Authenticator(options, cluster)
    good = jwt.encode(claims, key, "RS256", headers={"kid": kid})
    assert (await authenticator.authenticate(credentials(good))).name == "system:serviceaccount:ns:bot"
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for bad in (
        jwt.encode(claims, stranger, "RS256", headers={"kid": kid}),
        jwt.encode({**claims, "exp": now - 1}, key, "RS256"),
        jwt.encode({**claims, "iss": "elsewhere"}, key, "RS256"),
        jwt.encode({**claims, "sub": "system:serviceaccount:ns:admin"}, key, "RS256"),
        good[:-4] + "AAAA",
        "rubbish",
        "a.b.c",
    ):
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(credentials(bad))


async def test_static_bootstrap_and_anonymous(options, cluster):
    def b64(text):
        return base64.b64encode(text.encode()).decode()

    data = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}
    data = {key: b64(value) for key, value in data.items()}
    meta = {"name": "bootstrap-token-abcdef", "namespace": "kube-system"}
    cluster.put("secrets", {"metadata": meta, "type": "bootstrap.kubernetes.io/token", "data": data})
    authenticator = Authenticator(options, cluster)
    joe = await authenticator.authenticate(credentials("secret"))
    assert (joe.name, joe.uid, joe.groups) == ("joe", "7", ("a", "b", "system:authenticated"))
    node = await authenticator.authenticate(credentials("abcdef.0123456789abcdef"))
    assert node.name == "system:bootstrap:abcdef"
    assert "system:bootstrappers" in node.groups
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(credentials("abcdef.0123456789abcdee"))
    nobody = await authenticator.authenticate(RequestCredentials(None, {}))
    assert nobody.name == "system:anonymous"
    options.anonymous_auth = False
    with pytest.raises(Unauthorized):
        await Authenticator(options, cluster).authenticate(RequestCredentials(None, {}))


def test_websocket_bearer():
    encoded = base64.urlsafe_b64encode(b"secret").decode().rstrip("=")
    header = f"v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.{encoded}"
    assert bearer_token({"Sec-WebSocket-Protocol": header}) == "secret"


async def test_token_requests_are_checked(options, cluster):
    with pytest.raises(APIError, match="may not specify a duration less than 10 minutes"):
        await token(options, cluster, expirationSeconds=10)
    with pytest.raises(APIError, match="UID in the bound object reference"):
        await token(options, cluster, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "no"})
    with pytest.raises(APIError, match='pods "q" not found'):
        await token(options, cluster, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "q"})


def test_discovery_documents_verify_tokens(options, cluster):
    documents = openid_documents(options)
    configuration = json.loads(documents["/.well-known/openid-configuration"][1])
    assert configuration["issuer"] == ISSUER
    assert configuration["id_token_signing_alg_values_supported"] == ["ES256"]
    keys = json.loads(documents["/openid/v1/jwks"][1])["keys"]
    assert jwt.PyJWK(keys[0]).key


ASKED = AuthorizationAttributes(UserInfo("admin"), "list", resource="pods")


class Allow:
    def __init__(self, *resources):
        self.resources = resources

    def authorize(self, attrs):
        return Decision(attrs.resource in self.resources)


def test_impersonation():
    admin = UserInfo("admin")
    assert requested_user({"Accept": "x"}) is None
    asked = requested_user({"Impersonate-User": "jane", "Impersonate-Group": "dev", "Impersonate-Extra-Scopes": "s"})
    assert asked.check(Allow("users", "groups", "userextras"), admin, ASKED) == UserInfo(
        "jane", "", ("dev", "system:authenticated"), {"scopes": ("s",)}
    )
    with pytest.raises(Forbidden, match='groups "dev" is forbidden: User "admin" cannot impersonate resource "groups"'):
        asked.check(Allow("users"), admin, ASKED)
    account = requested_user({"Impersonate-User": "system:serviceaccount:ns:bot"})
    found = account.check(Allow("serviceaccounts"), admin, ASKED)
    assert "system:serviceaccounts:ns" in found.groups
    with pytest.raises(APIError, match="without impersonating a user"):
        requested_user({"Impersonate-Group": "dev"})
