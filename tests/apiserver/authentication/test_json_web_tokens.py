import time
from dataclasses import replace

import jwt
import pytest

from apiserver.authentication.authentication_configuration import ClaimRule, Mapping
from apiserver.authentication.authentication_configuration import Issuer as Trusted
from apiserver.authentication.json_web_tokens import IssuerKeys, JSONWebTokens, RejectedTokenError, user_of
from tests.apiserver.conftest import Api
from tests.apiserver.issuer import Issuer

PLAIN = Trusted("https://issuer", ("cluster",), Mapping("sub", "p:"))


def test_claims_become_a_user():
    issuer = replace(PLAIN, groups=Mapping("groups", "g:"), uid=Mapping("uid"))
    user = user_of(issuer, {"sub": "jane", "groups": ["a", "b"], "uid": "7", "jti": "t1"})
    assert (user.name, user.groups, user.uid) == ("p:jane", ("g:a", "g:b"), "7")
    assert user.extra == {"authentication.kubernetes.io/credential-id": ("JTI=t1",)}
    assert user_of(replace(PLAIN, groups=Mapping("groups", "")), {"sub": "j", "groups": "one"}).groups == ("one",)


@pytest.mark.parametrize(
    ("issuer", "claims", "told"),
    [
        (PLAIN, {}, "claim not present"),
        (PLAIN, {"sub": 7}, "claim not present"),
        (replace(PLAIN, groups=Mapping("groups", "")), {"sub": "j", "groups": [7]}, "must be a string or a list"),
        (replace(PLAIN, username=Mapping("email", "")), {"email": "j@x", "email_verified": False}, "not verified"),
        (replace(PLAIN, claim_rules=(ClaimRule("hd", "x"),)), {"sub": "j"}, "required claim hd not present"),
        (
            replace(PLAIN, claim_rules=(ClaimRule("hd", "x"),)),
            {"sub": "j", "hd": "y"},
            "does not match. Got = y, want = x",
        ),
    ],
)
def test_claims_that_do_not_fit_are_refused(issuer, claims, told):
    with pytest.raises(RejectedTokenError, match=told):
        user_of(issuer, claims)


@pytest.fixture
def issuer(tmp_path):
    made = Issuer(tmp_path / "issuer")
    yield made
    made.close()


@pytest.mark.live
async def test_tokens_are_verified_with_the_keys_of_their_issuer(issuer):
    trusted = Trusted(issuer.url, ("cluster",), Mapping("sub", ""), certificate_authority=issuer.authority)
    tokens = JSONWebTokens([trusted])
    good = issuer.token()
    user = await tokens.authenticate(good)
    assert user is not None
    assert user.name == "jane"
    fetched = len(issuer.server.seen)
    assert await tokens.authenticate(issuer.token(sub="joe")) is not None
    assert len(issuer.server.seen) == fetched
    head, _, _ = good.rpartition(".")
    unsigned = jwt.encode({"iss": issuer.url, "aud": "cluster", "sub": "x", "exp": 2**40}, "k" * 40, "HS256")
    for bad in (
        issuer.token(aud="elsewhere"),
        issuer.token(exp=int(time.time()) - 60),
        issuer.token(exp=None),
        issuer.token(nbf=int(time.time()) + 60),
        f"{head}.AAAA",
        unsigned,
    ):
        with pytest.raises(RejectedTokenError):
            await tokens.authenticate(bad)
    assert await tokens.authenticate(issuer.token(iss="https://other")) is None
    assert await tokens.authenticate("a.b.c") is None
    assert await tokens.authenticate("opaque") is None


@pytest.mark.live
async def test_a_new_key_is_fetched_but_not_at_every_token(issuer):
    clock = [0.0]
    trusted = Trusted(issuer.url, ("cluster",), Mapping("sub", ""), certificate_authority=issuer.authority)
    keys = IssuerKeys(trusted, now=lambda: clock[0])
    old = jwt.get_unverified_header(issuer.token())["kid"]
    assert [key.key_id for key in await keys.find(old)] == [old]
    issuer.change_key()
    new = jwt.get_unverified_header(issuer.token())["kid"]
    assert await keys.find(new) == []
    clock[0] = 11.0
    assert [key.key_id for key in await keys.find(new)] == [new]


@pytest.mark.live
async def test_an_issuer_that_is_away_or_untrusted_refuses_its_tokens(issuer):
    tokens = JSONWebTokens([Trusted(issuer.url, ("cluster",), Mapping("sub", ""))])
    with pytest.raises(RejectedTokenError, match="authenticator not initialized"):
        await tokens.authenticate(issuer.token())


def whoami(guarded, token):
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    status, _, body = Api(guarded, user="").raw(
        "POST",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        Api.encode(review),
        Content_Type="application/json",
        Authorization=f"Bearer {token}",
    )
    return status, body.decode()


@pytest.mark.live
def test_the_server_believes_a_configured_issuer(guarded):
    issuer = guarded.issuer
    admin = Api(guarded)
    token = issuer.token(roles=["dev"], uid="u1", team="blue")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    status, answer = admin.json("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert status == 201
    assert answer["status"]["user"] == {
        "username": "oidc:jane",
        "uid": "u1",
        "groups": ["oidc:dev", "system:authenticated"],
        "extra": {"example.com/team": ["blue"]},
    }
    assert whoami(guarded, token)[0] == 201
    for claims in ({"sub": "mallory"}, {"roles": ["system:masters"]}, {"uid": None}, {"roles": None}, {"aud": "x"}):
        assert whoami(guarded, issuer.token(**({"roles": [], "uid": "u"} | claims)))[0] == 401
    review["spec"]["token"] = issuer.token(sub="mallory", roles=[], uid="u")
    answer = admin.json("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)[1]
    assert "not mallory" in answer["status"]["error"]
    assert answer["status"].get("authenticated") is None


@pytest.mark.live
def test_anonymous_requests_are_for_the_configured_paths(guarded):
    nobody = Api(guarded, user="")
    assert nobody.raw("GET", "/readyz")[0] == 200
    assert nobody.raw("GET", "/version")[0] == 401
    assert nobody.raw("GET", "/api/v1/pods")[0] == 401
