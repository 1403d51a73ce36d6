import base64
import datetime

import pytest

from controllers.bootstrap.signer import detached_signature, signed
from controllers.bootstrap.tokens import Token, is_token, read

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def secret(name="bootstrap-token-abcdef", space="kube-system", kind="bootstrap.kubernetes.io/token", **data):
    given = {"token-id": "abcdef", "token-secret": "0123456789abcdef", **data}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in given.items() if value}
    return {"metadata": {"name": name, "namespace": space}, "type": kind, "data": encoded}


def test_a_token_is_read_from_its_secret():
    one = secret(**{"usage-bootstrap-signing": "true", "expiration": "2026-01-01T12:00:00Z"})
    token = read(one)
    assert token == Token("abcdef", "0123456789abcdef", signs=True, until=NOW)
    assert token.ended(NOW)
    assert not token.ended(NOW - datetime.timedelta(seconds=1))
    assert not read(secret()).signs
    assert not read(secret()).ended(NOW)
    assert read(secret(expiration="tomorrow")).ended(NOW)


@pytest.mark.parametrize(
    "one",
    [
        secret(name="bootstrap-token-other"),
        secret(space="default"),
        secret(kind="Opaque"),
        secret(**{"token-secret": ""}),
        {**secret(), "data": {"token-id": "no base64!", "token-secret": "=="}},
    ],
)
def test_what_only_looks_like_a_token_is_none(one):
    assert read(one) is None


def test_the_type_tells_a_token_from_other_secrets():
    assert is_token(secret())
    assert not is_token(secret(kind="Opaque"))


def test_a_signature_leaves_its_content_out():
    # Checked with an independent implementation (RFC 7515).
    import jwt

    token = Token("abcdef", "0123456789abcdef", signs=True, until=None)
    made = detached_signature("content", token)
    header, middle, signature = made.split(".")
    assert middle == ""
    whole = f"{header}.{base64.urlsafe_b64encode(b'content').rstrip(b'=').decode()}.{signature}"
    decoded = jwt.api_jws.decode_complete(whole, token.secret, algorithms=["HS256"])
    assert decoded["header"] == {"alg": "HS256", "kid": "abcdef"}
    assert decoded["payload"] == b"content"


def test_the_cluster_info_has_the_signatures_of_present_tokens_only():
    token = Token("abcdef", "0123456789abcdef", signs=True, until=None)
    data = {"kubeconfig": "content", "jws-kubeconfig-gone": "x", "other": "y"}
    made = signed(data, [token])
    assert sorted(made) == ["jws-kubeconfig-abcdef", "kubeconfig", "other"]
    assert signed({"jws-kubeconfig-gone": "x"}, [token]) == {}
