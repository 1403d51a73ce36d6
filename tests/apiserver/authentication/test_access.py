import pytest

from tests.apiserver.conftest import Api

pytestmark = pytest.mark.live

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def authentication(kind, **spec):
    return {"apiVersion": "authentication.k8s.io/v1", "kind": kind, "spec": spec}


@pytest.fixture
def bot(api, ns):
    """A ServiceAccount that may read Pods of its namespace: (its token, the namespace's name)."""
    name = ns.rpartition("/")[2]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}}
    assert api.json("POST", f"{ns}/serviceaccounts", account)[0] == 201
    base = f"{RBAC}/namespaces/{name}"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
    role = {"apiVersion": RBAC[6:], "kind": "Role", "metadata": {"name": "r"}, "rules": rules}
    assert api.json("POST", f"{base}/roles", role)[0] == 201
    binding = {
        "apiVersion": RBAC[6:],
        "kind": "RoleBinding",
        "metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": name}],
    }
    assert api.json("POST", f"{base}/rolebindings", binding)[0] == 201
    status, made = api.json("POST", f"{ns}/serviceaccounts/bot/token", authentication("TokenRequest"))
    assert status == 201
    return made["status"]["token"], name


def ask(pair, path, method="GET", **headers):
    status, _, body = Api(pair, user="").raw(method, path, None, **headers)
    return status, body.decode()


def test_tokens_and_roles(pair, api, ns, bot):
    token, name = bot
    bearer = {"Authorization": f"Bearer {token}"}
    assert ask(pair, f"{ns}/pods", **bearer)[0] == 200
    status, body = ask(pair, f"{ns}/secrets", **bearer)
    assert status == 403
    user = f"system:serviceaccount:{name}:bot"
    why = f'secrets is forbidden: User \\"{user}\\" cannot list resource \\"secrets\\" in API group \\"\\" in the namespace'
    assert why in body
    assert ask(pair, "/metrics", **bearer)[0] == 403
    assert ask(pair, "/version", **bearer)[0] == 200
    review = api.json(
        "POST", "/apis/authentication.k8s.io/v1/tokenreviews", authentication("TokenReview", token=token)
    )[1]
    assert review["status"]["authenticated"]
    assert review["status"]["user"]["username"] == user
    api.json("DELETE", f"{ns}/serviceaccounts/bot")
    assert ask(pair, f"{ns}/pods", **bearer)[0] == 401


def test_nobody_and_bad_tokens(pair, ns):
    status, body = ask(pair, f"{ns}/pods")
    assert status == 403
    assert 'User \\"system:anonymous\\" cannot list' in body
    assert ask(pair, "/healthz")[0] == 200
    status, body = ask(pair, f"{ns}/pods", Authorization="Bearer rubbish")
    assert status == 401
    assert '"reason":"Unauthorized"' in body


def test_impersonation_and_reviews_agree(api, ns, bot):
    _, name = bot
    user = f"system:serviceaccount:{name}:bot"
    assert api.raw("GET", f"{ns}/pods", Impersonate_User=user)[0] == 200
    assert api.raw("GET", f"{ns}/configmaps", Impersonate_User=user)[0] == 403
    for resource, allowed in (("pods", True), ("configmaps", False)):
        attributes = {"namespace": name, "verb": "list", "resource": resource}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "groups": ["system:authenticated"], "resourceAttributes": attributes},
        }
        answer = api.json("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)[1]
        assert answer["status"]["allowed"] is allowed
    rules = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": name}}
    answer = api.json("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", rules)[1]
    assert {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]} in answer["status"]["resourceRules"]


def test_nodes_see_what_their_pods_need(pair, api, ns):
    node = Api(pair, user="kubelet")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    assert api.json("POST", f"{ns}/secrets", secret)[0] == 201
    status, answer = node.json("GET", f"{ns}/secrets/s")
    assert status == 403
    assert "no relationship found between node 'minikube' and this object" in answer["message"]
    volumes = [{"name": "v", "secret": {"secretName": "s"}}]
    spec = {"nodeName": "minikube", "containers": [{"name": "c", "image": "i"}], "volumes": volumes}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    assert api.json("POST", f"{ns}/pods", pod)[0] == 201
    assert node.json("GET", f"{ns}/secrets/s")[0] == 200
    status, answer = node.json("PATCH", f"{ns}/secrets/s", {"data": {}}, "application/merge-patch+json")
    assert status == 403


def test_discovery_of_the_token_issuer(api):
    configuration = api.json("GET", "/.well-known/openid-configuration")[1]
    assert configuration["issuer"] == "https://kubernetes.default.svc.cluster.local"
    assert configuration["jwks_uri"].endswith("/openid/v1/jwks")
    assert api.json("GET", "/openid/v1/jwks")[1]["keys"][0]["alg"] == "ES256"


def test_bootstrap_roles_are_there(api):
    role = api.json("GET", f"{RBAC}/clusterroles/edit")[1]
    assert role["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-admin"] == "true"
    assert role["aggregationRule"]
    assert len(role["rules"]) > 10
    names = {item["metadata"]["name"] for item in api.json("GET", f"{RBAC}/clusterroles")[1]["items"]}
    assert {"cluster-admin", "view", "system:node", "system:controller:job-controller"} <= names
