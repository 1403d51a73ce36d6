import json
from types import SimpleNamespace

import pytest

from apiserver.authentication.authentication_configuration import (
    Anonymous,
    AuthenticationConfigurationError,
    configure,
    read,
)

KIND = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration"}
ISSUER = {"url": "https://issuer", "audiences": ["a"]}
USERNAME = {"username": {"claim": "sub", "prefix": ""}}
JWT = {"issuer": ISSUER, "claimMappings": USERNAME}


def written(tmp_path, **document):
    path = tmp_path / "authentication.yaml"
    path.write_text(json.dumps(KIND | document))
    return str(path)


def test_anonymous_requests_may_be_for_some_paths(tmp_path):
    assert read(written(tmp_path)).anonymous == Anonymous()
    some = read(written(tmp_path, anonymous={"enabled": True, "conditions": [{"path": "/livez"}]})).anonymous
    assert some.allows("/livez")
    assert not some.allows("/livez/etcd")
    assert not read(written(tmp_path, anonymous={"enabled": False})).anonymous.allows("/livez")


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"kind": "Other"}, "kind must be AuthenticationConfiguration"),
        ({"apiVersion": "v9"}, "apiVersion must be"),
        ({"anonymous": {"conditions": [{"path": "/x"}]}}, "enabled should be set to true when conditions are defined"),
        ({"anonymous": []}, "wrong type"),
        ({"jwt": [JWT | {"issuer": {"url": "http://x", "audiences": ["a"]}}]}, r"jwt\[0\].issuer.url.*must be https"),
        ({"jwt": [JWT | {"issuer": {"url": "https://x"}}]}, "audiences: Required value"),
        ({"jwt": [JWT | {"issuer": ISSUER | {"audiences": ["a", "b"]}}]}, "must be MatchAny"),
        ({"jwt": [{"issuer": ISSUER}]}, "username: Required value"),
        ({"jwt": [JWT | {"claimMappings": {"username": {"claim": "sub"}}}]}, "prefix is required when claim is set"),
        ({"jwt": [JWT | {"claimMappings": {"username": {"expression": "claims."}}}]}, "compilation failed"),
        ({"jwt": [JWT | {"claimMappings": {"username": {"expression": "user.name"}}}]}, "undeclared reference"),
        ({"jwt": [JWT | {"claimValidationRules": [{}]}]}, "claim or expression is required"),
        ({"jwt": [JWT, JWT]}, "Duplicate value"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path, document, told):
    with pytest.raises(AuthenticationConfigurationError, match=told):
        read(written(tmp_path, **document))


def flags(**more):
    return SimpleNamespace(oidc_issuer_url="https://issuer", oidc_client_id="me", **more)


def test_flags_describe_one_issuer():
    (issuer,) = configure(flags(oidc_groups_claim="groups", oidc_required_claim=("hd=example.com",))).issuers
    assert (issuer.username.claim, issuer.username.prefix) == ("sub", "https://issuer#")
    assert (issuer.audiences, issuer.algorithms, issuer.groups.claim) == (("me",), ("RS256",), "groups")
    assert (issuer.claim_rules[0].claim, issuer.claim_rules[0].value) == ("hd", "example.com")
    assert configure(flags(oidc_username_claim="email")).issuers[0].username.prefix == ""
    assert configure(flags(oidc_username_prefix="-")).issuers[0].username.prefix == ""


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (SimpleNamespace(oidc_issuer_url="https://x"), "must be specified together"),
        (flags(authentication_config="x"), "mutually exclusive"),
        (flags(oidc_required_claim=("x",)), "not of the form key=value"),
        (flags(oidc_signing_algs=("none",)), "unsupported signing algorithm"),
        (flags(oidc_ca_file="/none"), "oidc-ca-file"),
    ],
)
def test_flags_that_make_no_sense_are_refused(options, told):
    with pytest.raises(AuthenticationConfigurationError, match=told):
        configure(options)
