import pytest

from tests.apiserver.conftest import Api

pytestmark = pytest.mark.live

RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
READ_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
READ_SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}


def role(name, *rules, kind="Role", **more):
    return {"apiVersion": RBAC[6:], "kind": kind, "metadata": {"name": name}, "rules": list(rules), **more}


def binding(name, role_name, user):
    return {
        "apiVersion": RBAC[6:],
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": role_name},
        "subjects": [{"kind": "User", "name": user, "apiGroup": GROUP}],
    }


@pytest.fixture
def joe(api, ns):
    """A user who may write RBAC objects of the namespace and read its Pods."""
    base = f"{RBAC}/namespaces/{ns.rpartition('/')[2]}"
    write = {
        "apiGroups": [GROUP],
        "resources": ["roles", "rolebindings"],
        "verbs": ["create", "update", "patch", "get"],
    }
    assert api.json("POST", f"{base}/roles", role("writer", write, READ_PODS))[0] == 201
    assert api.json("POST", f"{base}/rolebindings", binding("writer", "writer", "joe"))[0] == 201
    assert api.json("POST", f"{base}/roles", role("secrets", READ_SECRETS))[0] == 201

    def ask(method, path, obj, kind="application/json"):
        status, _, body = api.raw(method, base + path, Api.encode(obj), Content_Type=kind, Impersonate_User="joe")
        return status, body.decode()

    return ask


MERGE = "application/merge-patch+json"


def test_nobody_writes_a_role_beyond_what_they_hold(joe, api, ns):
    assert joe("POST", "/roles", role("pods", READ_PODS))[0] == 201
    status, text = joe("POST", "/roles", role("more", READ_PODS, READ_SECRETS))
    assert status == 403
    assert (
        'user \\"joe\\" (groups=[\\"system:authenticated\\"]) is attempting to grant RBAC permissions not currently held:'
        '\\n{APIGroups:[\\"\\"], Resources:[\\"secrets\\"], Verbs:[\\"get\\"]}'
    ) in text
    # To touch a role is to grant it again, but for what the garbage collector does.
    assert joe("PATCH", "/roles/secrets", {"metadata": {"labels": {"a": "b"}}}, MERGE)[0] == 403
    assert joe("PATCH", "/roles/secrets", {"metadata": {"finalizers": ["example.com/x"]}}, MERGE)[0] == 200
    api.json(
        "PATCH", f"{RBAC}/namespaces/{ns.rpartition('/')[2]}/roles/secrets", {"metadata": {"finalizers": None}}, MERGE
    )


def test_nobody_binds_a_role_beyond_what_they_hold(joe, api, ns):
    assert joe("POST", "/rolebindings", binding("mine", "writer", "jane"))[0] == 201
    assert joe("POST", "/rolebindings", binding("secrets", "secrets", "jane"))[0] == 403
    status, text = joe("POST", "/rolebindings", binding("none", "none", "jane"))
    assert status in (403, 404), text
    base = f"{RBAC}/namespaces/{ns.rpartition('/')[2]}"
    right = {"apiGroups": [GROUP], "resources": ["roles"], "verbs": ["bind"], "resourceNames": ["secrets"]}
    assert api.json("POST", f"{base}/roles", role("binder", right))[0] == 201
    assert api.json("POST", f"{base}/rolebindings", binding("binder", "binder", "joe"))[0] == 201
    assert joe("POST", "/rolebindings", binding("secrets", "secrets", "jane"))[0] == 201


def test_aggregation_needs_everything(api, ns):
    name = ns.rpartition("/")[2]
    write = {"apiGroups": [GROUP], "resources": ["clusterroles"], "verbs": ["create"]}
    api.grant("aggregator", write, name=name)
    rule = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    wanted = role(f"{name}-x", kind="ClusterRole", aggregationRule=rule)
    status, _, body = api.raw(
        "POST",
        f"{RBAC}/clusterroles",
        Api.encode(wanted),
        Content_Type="application/json",
        Impersonate_User="aggregator",
    )
    assert status == 403
    assert b"must have cluster-admin privileges to use the aggregationRule" in body
