import pytest

from apimachinery.objects.selectors import FieldRequirement
from apiserver.authentication.user import UserInfo
from apiserver.authorization.rbac_bootstrap import bootstrap_objects, ensure_bootstrap, mended, parse_rule
from apiserver.authorization.registry import AuthorizationAttributes, Authorizer, forbidden
from apiserver.authorization.rules import not_covered
from tests.apiserver.fake_listers import Cluster


class Options:
    authorization_mode = ("Node", "RBAC")


@pytest.fixture
async def cluster():
    made = Cluster()
    await ensure_bootstrap(made)
    return made


def ask(authorizer, user, verb, resource, namespace="", name="", **more):
    return authorizer.authorize(
        AuthorizationAttributes(user=user, verb=verb, resource=resource, namespace=namespace, name=name, **more)
    ).allowed


def user(name, *groups):
    return UserInfo(name, "", (*groups, "system:authenticated"))


def binding(kind, name, role, subject, namespace=""):
    meta = {"name": name, "resourceVersion": "1"} | ({"namespace": namespace} if namespace else {})
    return {"metadata": meta, "roleRef": {"kind": kind, "name": role}, "subjects": [subject]}


async def test_masters_may_do_everything_and_nobody_nothing(cluster):
    authorizer = Authorizer(Options, cluster)
    assert ask(authorizer, user("admin", "system:masters"), "delete", "nodes", name="x")
    assert not ask(authorizer, user("joe"), "list", "pods", "default")


async def test_bindings_grant_in_their_namespace_only(cluster):
    authorizer = Authorizer(Options, cluster)
    subject = {"kind": "User", "name": "joe"}
    rolebindings = "rolebindings.rbac.authorization.k8s.io"
    cluster.put(rolebindings, binding("ClusterRole", "joe", "edit", subject, "team"))
    assert ask(authorizer, user("joe"), "create", "pods", "team")
    assert ask(authorizer, user("joe"), "get", "pods", "team", subresource="log")
    assert not ask(authorizer, user("joe"), "create", "pods", "other")
    assert not ask(authorizer, user("joe"), "create", "roles", "team", group="rbac.authorization.k8s.io")
    cluster.by_name[rolebindings].drop("team", "joe")
    assert not ask(authorizer, user("joe"), "create", "pods", "team")


async def test_service_accounts_and_resource_names(cluster):
    authorizer = Authorizer(Options, cluster)
    rbac = "rbac.authorization.k8s.io"
    rules = [parse_rule("get update @ core : configmaps # one")]
    cluster.put(f"roles.{rbac}", {"metadata": {"name": "r", "namespace": "ns", "resourceVersion": "1"}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "bot", "namespace": "ns"}
    cluster.put(f"rolebindings.{rbac}", binding("Role", "b", "r", subject, "ns"))
    bot = UserInfo("system:serviceaccount:ns:bot", "", ("system:serviceaccounts",))
    assert ask(authorizer, bot, "get", "configmaps", "ns", "one")
    assert not ask(authorizer, bot, "get", "configmaps", "ns", "two")
    assert not ask(authorizer, bot, "list", "configmaps", "ns")


async def test_paths(cluster):
    authorizer = Authorizer(Options, cluster)
    anonymous = UserInfo("system:anonymous", "", ("system:unauthenticated",))

    def path(who, where):
        attrs = AuthorizationAttributes(user=who, verb="get", path=where, resource_request=False)
        return authorizer.authorize(attrs).allowed

    assert path(anonymous, "/healthz")
    assert not path(anonymous, "/metrics")
    assert path(user("joe"), "/apis/apps/v1")
    assert not path(user("joe"), "/logs")


async def test_a_node_reads_what_its_pods_use(cluster):
    authorizer = Authorizer(Options, cluster)
    node = user("system:node:n1", "system:nodes")
    assert not ask(authorizer, node, "get", "secrets", "ns", "s")
    volumes = [{"name": "v", "secret": {"secretName": "s"}}]
    pod = {"metadata": {"name": "p", "namespace": "ns"}, "spec": {"nodeName": "n1", "volumes": volumes}}
    pod["spec"]["serviceAccountName"] = "default"
    cluster.put("pods", pod)
    assert ask(authorizer, node, "get", "secrets", "ns", "s")
    assert ask(authorizer, node, "watch", "secrets", "ns", "s")
    assert not ask(authorizer, node, "list", "secrets", "ns")
    assert ask(authorizer, node, "create", "serviceaccounts", "ns", "default", subresource="token")
    assert not ask(authorizer, user("system:node:n2", "system:nodes"), "get", "secrets", "ns", "s")
    assert not ask(authorizer, node, "list", "pods")
    assert ask(authorizer, node, "list", "pods", field_selector=(FieldRequirement("spec.nodeName", "n1"),))
    assert ask(authorizer, node, "update", "leases", "kube-node-lease", "n1", group="coordination.k8s.io")
    assert not ask(authorizer, node, "update", "leases", "kube-node-lease", "n2", group="coordination.k8s.io")
    cluster.by_name["pods"].drop("ns", "p")
    assert not ask(authorizer, node, "get", "secrets", "ns", "s")


def test_refusals_are_worded_as_upstream():
    joe = user("joe")
    attrs = AuthorizationAttributes(user=joe, verb="list", version="v1", resource="pods", namespace="default")
    assert forbidden(attrs).message == (
        'pods is forbidden: User "joe" cannot list resource "pods" in API group "" in the namespace "default"'
    )
    attrs = AuthorizationAttributes(
        user=joe, verb="get", group="apps", resource="deployments", subresource="scale", namespace="d", name="x"
    )
    assert forbidden(attrs).message == (
        'deployments.apps "x" is forbidden: User "joe" cannot get resource "deployments/scale" in API group "apps" '
        'in the namespace "d"'
    )
    attrs = AuthorizationAttributes(user=joe, verb="get", path="/x", resource_request=False)
    assert forbidden(attrs).message == 'forbidden: User "joe" cannot get path "/x"'


async def test_bootstrap_is_idempotent_and_mends(cluster):
    objects = bootstrap_objects()
    assert len({(resource, o["metadata"].get("namespace"), o["metadata"]["name"]) for resource, o in objects}) == len(
        objects
    )
    role = dict(next(o for _, o in objects if o["metadata"]["name"] == "system:kube-dns"))
    assert mended(role, role) is None
    poorer = {**role, "rules": []}
    assert mended(poorer, role)["rules"] == role["rules"]
    off = {
        **poorer,
        "metadata": {**role["metadata"], "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}},
    }
    assert mended(off, role) is None


def test_escalation_is_found():
    owned = [parse_rule("get list @ core : pods")]
    assert not_covered(owned, [parse_rule("get @ core : pods")]) == []
    missing = not_covered(owned, [parse_rule("delete get @ core : pods")])
    assert missing == [{"verbs": ["delete"], "apiGroups": [""], "resources": ["pods"]}]
    assert not_covered([parse_rule("* @ * : *")], [parse_rule("get @ apps : deployments")]) == []


@pytest.mark.parametrize(
    ("role", "verb", "group", "resource", "allowed"),
    [
        ("view", "list", "events.k8s.io", "events", True),
        ("view", "list", "", "secrets", False),
        ("view", "create", "", "events", False),
        ("edit", "create", "events.k8s.io", "events", True),
        ("edit", "create", "", "serviceaccounts/token", True),
        ("edit", "create", "rbac.authorization.k8s.io", "roles", False),
        ("admin", "create", "rbac.authorization.k8s.io", "roles", True),
        ("admin", "update", "", "resourcequotas", False),
        ("system:monitoring", "get", "", "nodes/metrics", True),
        ("system:kube-scheduler", "update", "", "pods/finalizers", True),
        ("system:controller:endpointslice-controller", "create", "discovery.k8s.io", "endpointslices/restricted", True),
    ],
)
async def test_bootstrap_roles_hold_upstreams_rules(cluster, role, verb, group, resource, allowed):
    cluster.put(
        "clusterrolebindings.rbac.authorization.k8s.io",
        binding("ClusterRole", "b", role, {"kind": "User", "name": "joe"}),
    )
    name, _, subresource = resource.partition("/")
    question = AuthorizationAttributes(
        user("joe"), verb, group, resource=name, subresource=subresource, namespace="default", name="x"
    )
    assert Authorizer(Options, cluster).authorize(question).allowed is allowed
