import base64
import datetime
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from component.certificates import CertificateAuthority, new_private_key, private_key_pem
from tests.apiserver.conftest import Api, pod

pytestmark = pytest.mark.live

SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


def whoami(api, **headers):
    """Return (status, user or message) of a request."""
    status, _, body = api.raw("POST", SELF, Api.encode(REVIEW), Content_Type="application/json", **headers)
    answer = json.loads(body)
    return status, answer["status"]["userInfo"] if status == 201 else answer["message"]


@pytest.fixture(scope="module")
def admin(guarded):
    return Api(guarded)


@pytest.fixture(scope="module")
def nobody(guarded):
    return Api(guarded, user="")


@pytest.fixture(scope="module")
def space(admin):
    return admin.namespace("credentials")


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_static_tokens(nobody):
    status, user = whoami(nobody, **bearer("static-secret"))
    assert status == 201, user
    assert (status, user["username"], user["uid"]) == (201, "bob", "uid-7")
    assert user["groups"] == ["readers", "writers", "system:authenticated"]
    assert whoami(nobody, **bearer("static-secre"))[0] == 401


def bootstrap_secret(token_id, **data):
    data = {
        "token-id": token_id,
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:workers",
        **data,
    }
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    meta = {"name": f"bootstrap-token-{token_id}", "namespace": "kube-system"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "type": "bootstrap.kubernetes.io/token",
        "data": encoded,
    }


def test_bootstrap_tokens_live_as_secrets(admin, nobody):
    path = "/api/v1/namespaces/kube-system/secrets"
    now = datetime.datetime.now(datetime.UTC)
    late = (now + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for secret in (
        bootstrap_secret("aaaaaa", expiration=late),
        bootstrap_secret("bbbbbb", expiration="2020-01-01T00:00:00Z"),
        bootstrap_secret("cccccc", **{"usage-bootstrap-authentication": "false"}),
    ):
        assert admin.json("POST", path, secret)[0] == 201
    status, user = whoami(nobody, **bearer("aaaaaa.0123456789abcdef"))
    assert (status, user["username"]) == (201, "system:bootstrap:aaaaaa")
    assert user["groups"] == ["system:bootstrappers", "system:bootstrappers:workers", "system:authenticated"]
    for wrong in ("bbbbbb.0123456789abcdef", "cccccc.0123456789abcdef", "aaaaaa.0123456789abcdeg"):
        assert whoami(nobody, **bearer(wrong))[0] == 401
    assert admin.json("DELETE", f"{path}/bootstrap-token-aaaaaa")[0] == 200
    assert whoami(nobody, **bearer("aaaaaa.0123456789abcdef"))[0] == 401


def client_with(guarded, directory, certificate, key):
    (directory / "client.crt").write_bytes(certificate)
    (directory / "client.key").write_bytes(key)
    api = Api(guarded, user="")
    api.tls = ssl.create_default_context(cafile=str(guarded.certs / "ca.crt"))
    api.tls.load_cert_chain(directory / "client.crt", directory / "client.key")
    return api


def test_a_certificate_names_user_groups_and_uid(guarded, tmp_path):
    authority = CertificateAuthority((guarded.certs / "ca.crt").read_bytes(), (guarded.certs / "ca.key").read_bytes())
    uid = ObjectIdentifier("1.3.6.1.4.1.57683.2")

    def user(*uids):
        key = new_private_key()
        rows = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in ("a", "b")]
        rows += [x509.NameAttribute(NameOID.COMMON_NAME, "jane")] + [x509.NameAttribute(uid, one) for one in uids]
        pem = authority.sign(key.public_key(), x509.Name(rows), usage="client", days=1)
        return whoami(client_with(guarded, tmp_path, pem, private_key_pem(key)))

    status, found = user("u-1")
    assert (status, found["username"], found["uid"]) == (201, "jane", "u-1")
    assert found["groups"] == ["a", "b", "system:authenticated"]
    (credential,) = found["extra"]["authentication.kubernetes.io/credential-id"]
    assert credential.startswith("X509SHA256=")
    assert "uid" not in user()[1]
    assert user("u-1", "u-2")[0] == 401


def test_a_front_proxy_vouches_for_users(guarded, nobody):
    proxy = Api(guarded, user="front-proxy-client")
    headers = {
        "X_Remote_User": "jane",
        "X_Remote_Group": "dev",
        "X_Remote_Uid": "u",
        "X_Remote_Extra_Example.com%2fteam": "blue",
    }
    status, user = whoami(proxy, **headers)
    assert (status, user["username"], user["uid"]) == (201, "jane", "u")
    assert user["groups"] == ["dev", "system:authenticated"]
    assert user["extra"] == {"example.com/team": ["blue"]}
    assert whoami(nobody, **headers)[0] == 401
    # Everybody else's headers are only headers.
    assert whoami(Api(guarded, user="scheduler"), **headers)[1]["username"] == "system:kube-scheduler"


def test_every_part_of_an_impersonation_needs_a_right(admin, nobody):
    bob = bearer("static-secret")
    jane = {"Impersonate_User": "jane"}
    status, why = whoami(nobody, **bob, **jane)
    assert (status, why) == (
        403,
        'users "jane" is forbidden: User "bob" cannot impersonate resource "users" in API group "" at the cluster scope',
    )
    authentication = "authentication.k8s.io"
    admin.grant(
        "bob",
        {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["jane"]},
        {"apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"], "resourceNames": ["dev"]},
        {"apiGroups": [authentication], "resources": ["uids"], "verbs": ["impersonate"], "resourceNames": ["u1"]},
        {
            "apiGroups": [authentication],
            "resources": ["userextras/scopes"],
            "verbs": ["impersonate"],
            "resourceNames": ["view"],
        },
    )
    status, user = whoami(
        nobody, **bob, **jane, Impersonate_Group="dev", Impersonate_Uid="u1", Impersonate_Extra_Scopes="view"
    )
    assert status == 201
    assert user == {
        "username": "jane",
        "uid": "u1",
        "groups": ["dev", "system:authenticated"],
        "extra": {"scopes": ["view"]},
    }
    for more in (
        {"Impersonate_Group": "system:masters"},
        {"Impersonate_Uid": "u2"},
        {"Impersonate_Extra_Scopes": "write"},
        {"Impersonate_Extra_Other": "view"},
    ):
        assert whoami(nobody, **bob, **jane, **more)[0] == 403
    assert whoami(nobody, **bob, Impersonate_User="joe")[0] == 403


def test_impersonation_may_be_for_some_actions_only(admin, nobody, space):
    authentication = {"apiGroups": ["authentication.k8s.io"]}
    on = {"apiGroups": [""], "resources": ["pods"]}
    admin.grant(
        "auditor",
        authentication | {"resources": ["users"], "verbs": ["impersonate:user-info"], "resourceNames": ["reader"]},
        authentication | {"resources": ["nodes"], "verbs": ["impersonate:arbitrary-node"], "resourceNames": ["n1"]},
        on | {"verbs": ["impersonate-on:user-info:list", "impersonate-on:arbitrary-node:list"]},
    )
    admin.grant("reader", on | {"verbs": ["list", "get"]})
    auditor = bearer("auditor-secret")

    def ask(path, user):
        status, _, body = nobody.raw("GET", path, None, **auditor, Impersonate_User=user)
        return status, body.decode()

    assert ask(f"{space}/pods", "reader")[0] == 200
    # The reader may, but not for the auditor.
    status, text = ask(f"{space}/pods/x", "reader")
    assert (status, 'cannot impersonate resource \\"users\\"' in text) == (403, True)
    assert ask(f"{space}/pods", "other")[0] == 403
    assert ask("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", "system:node:n1")[0] == 200
    # The auditor may, but not the node.
    assert "can only list/watch pods with spec.nodeName" in ask("/api/v1/pods", "system:node:n1")[1]
    assert ask("/api/v1/pods?fieldSelector=spec.nodeName%3Dn2", "system:node:n2")[0] == 403


def test_an_agent_may_be_the_node_it_runs_on(admin, nobody, space):
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "agents-node"}}
    assert admin.json("POST", "/api/v1/nodes", node)[0] == 201
    agent = pod("agent")
    agent["spec"]["nodeName"] = "agents-node"
    status, made = admin.json("POST", f"{space}/pods", agent)
    assert status == 201, made
    user = "system:serviceaccount:credentials:default"
    admin.grant(
        user,
        {"apiGroups": ["authentication.k8s.io"], "resources": ["nodes"], "verbs": ["impersonate:associated-node"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["impersonate-on:associated-node:list"]},
        name="agent",
    )
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "agent", "uid": made["metadata"]["uid"]}
    token = bearer(token_for(admin, space, boundObjectRef=reference))
    for name, expected in (("agents-node", 200), ("other-node", 403)):
        path = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{name}"
        assert nobody.raw("GET", path, None, **token, Impersonate_User=f"system:node:{name}")[0] == expected


def test_an_impersonated_account_has_its_groups(admin):
    status, user = whoami(admin, Impersonate_User="system:serviceaccount:default:bot")
    assert (status, user["groups"]) == (
        201,
        ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
    )
    # Nobody is in the group that may ask who they are.
    status, why = whoami(admin, Impersonate_User="system:anonymous")
    assert (status, 'User "system:anonymous" cannot create' in why) == (403, True)


def token_for(admin, space, expected=201, **spec):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    status, answer = admin.json("POST", f"{space}/serviceaccounts/default/token", body)
    assert status == expected, answer
    return answer["status"]["token"] if status == 201 else answer["message"]


@pytest.mark.parametrize("kind", ["Pod", "Secret", "Node"])
def test_a_token_ends_with_what_it_is_bound_to(admin, nobody, space, kind):
    name = f"bound-{kind.lower()}"
    paths = {"Pod": f"{space}/pods", "Secret": f"{space}/secrets", "Node": "/api/v1/nodes"}
    objects = {
        "Pod": pod(name),
        "Secret": {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}},
        "Node": {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}},
    }
    status, made = admin.json("POST", paths[kind], objects[kind])
    assert status == 201, made
    reference = {"apiVersion": "v1", "kind": kind, "name": name, "uid": made["metadata"]["uid"]}
    token = token_for(admin, space, boundObjectRef=reference)
    status, user = whoami(nobody, **bearer(token))
    assert (status, user["username"]) == (201, "system:serviceaccount:credentials:default")
    if kind != "Secret":
        assert user["extra"][f"authentication.kubernetes.io/{kind.lower()}-name"] == [name]
    told = token_for(admin, space, 409, boundObjectRef=reference | {"uid": "other"})
    assert "does not match the UID in record" in told
    assert admin.json("DELETE", f"{paths[kind]}/{name}?gracePeriodSeconds=0")[0] == 200
    assert whoami(nobody, **bearer(token))[0] == 401
    assert "not found" in token_for(admin, space, 404, boundObjectRef=reference)


def test_token_requests_are_checked(admin, nobody, space):
    assert "less than 10 minutes" in token_for(admin, space, 422, expirationSeconds=10)
    assert token_for(admin, space, 400, boundObjectRef={"kind": "Deployment", "apiVersion": "apps/v1", "name": "x"})
    foreign = token_for(admin, space, audiences=["vault"])
    assert whoami(nobody, **bearer(foreign))[0] == 401
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    answer = admin.json("POST", path, review | {"spec": {"token": foreign, "audiences": ["vault", "other"]}})[1]
    assert (answer["status"]["authenticated"], answer["status"]["audiences"]) == (True, ["vault"])
    answer = admin.json("POST", path, review | {"spec": {"token": foreign, "audiences": ["other"]}})[1]
    assert "is invalid for the target audiences" in answer["status"]["error"]


def kubectl(guarded, *arguments):
    command = [str(Path(sys.executable).with_name("kubectl")), "--kubeconfig", str(guarded.kubeconfig("admin"))]
    environment = {**os.environ, "HOME": str(guarded.directory)}
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=30, env=environment)
    return done.returncode, done.stdout + done.stderr


def test_kubectl_asks_who_and_what(guarded, space):
    code, text = kubectl(guarded, "auth", "whoami", "-o", "json")
    assert code == 0, text
    assert json.loads(text)["status"]["userInfo"]["username"] == "kubernetes-admin"
    assert kubectl(guarded, "auth", "can-i", "create", "pods", "-n", "credentials")[:2] == (0, "yes\n")
    account = "--as=system:serviceaccount:credentials:default"
    code, text = kubectl(guarded, "auth", "can-i", "list", "secrets", "-n", "credentials", account)
    assert (code, text.strip().partition(" ")[0]) == (1, "no")
    code, text = kubectl(guarded, "auth", "can-i", "--list", "-n", "credentials", account)
    assert code == 0, text
    assert "selfsubjectreviews.authentication.k8s.io" in text
    assert "may be incomplete" not in text
    code, text = kubectl(guarded, "create", "token", "default", "-n", "credentials", "--duration=15m")
    assert (code, text.count(".")) == (0, 2)


def test_upstreams_python_client_reviews(guarded, space):
    from kubernetes import client, config

    config.load_kube_config(str(guarded.kubeconfig("admin")))
    attributes = client.V1ResourceAttributes(verb="get", resource="pods", namespace="credentials")
    spec = client.V1SubjectAccessReviewSpec(user="nobody", resource_attributes=attributes)
    review = client.AuthorizationV1Api().create_subject_access_review(client.V1SubjectAccessReview(spec=spec))
    assert review.status.allowed is False
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    made = client.CoreV1Api().create_namespaced_service_account_token("default", "credentials", request)
    token = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=made.status.token))
    found = client.AuthenticationV1Api().create_token_review(token)
    assert found.status.user.username == "system:serviceaccount:credentials:default"


def unsigned(header, claims):
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims))
    return f"{'.'.join(parts)}.eA"


ISSUER = "https://kubernetes.default.svc.cluster.local"
LATIN = b"\xff\xfe".decode("latin-1")


@pytest.mark.parametrize(
    "headers",
    [
        *(
            bearer(token)
            for token in (
                "x" * 20_000,
                "..",
                LATIN,
                unsigned({"alg": "none"}, {"iss": ISSUER}),
                unsigned({"alg": "ES256"}, {"iss": [ISSUER]}),
                unsigned({"alg": "ES256", "kid": 5}, {"iss": ISSUER}),
                unsigned({"alg": "HS256"}, {"iss": ISSUER, "kubernetes.io": 5}),
                unsigned([1], {"iss": ISSUER}),
                unsigned({"alg": "ES256"}, [1]),
            )
        ),
        {"Authorization": "Basic eA=="},
        {"Sec_WebSocket_Protocol": "base64url.bearer.authorization.k8s.io.!"},
        {"Sec_WebSocket_Protocol": f"base64url.bearer.authorization.k8s.io.{LATIN}"},
        {"Impersonate_User": LATIN},
        {"Impersonate_User": "jane", "Impersonate_Group": LATIN, "Impersonate_Extra_%ff": LATIN},
        {"Impersonate_User": "system:serviceaccount::"},
    ],
)
@pytest.mark.parametrize("who", ["admin", ""])
def test_headers_without_sense_are_refused_or_ignored(guarded, space, who, headers):
    status, _, body = Api(guarded, user=who).raw("GET", f"{space}/pods", None, **headers)
    assert status in (200, 401, 403), body


def test_what_is_no_text_in_a_header_is_replaced(admin, space):
    body = Api.encode({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "latin"}, "data": {"a": "b"}})
    headers = {"User_Agent": f"{LATIN}/1", "X_Forwarded_For": LATIN, "Audit_ID": LATIN}
    status, _, answer = admin.raw("POST", f"{space}/configmaps", body, Content_Type="application/json", **headers)
    assert status == 201
    assert json.loads(answer)["metadata"]["managedFields"][0]["manager"] == "\ufffd\ufffd"
