"""Which flow schema takes which request."""

import pytest

from apiserver.flowcontrol.bootstrap import bootstrap_schemas
from apiserver.flowcontrol.classification import Digest, compile_schema, in_order

SCHEMAS = in_order(compile_schema(obj) for obj in bootstrap_schemas().values())
LOGGED_IN = "system:authenticated"


def schema_of(digest):
    return next(schema for schema in SCHEMAS if schema.matches(digest))


def asks(user, groups, verb, resource, group="", namespace=""):
    return Digest(user, (*groups, LOGGED_IN), verb, "", True, group, resource, namespace)


NODE = ("system:node:a", ("system:nodes",))
ACCOUNT = ("system:serviceaccount:kube-system:x", ("system:serviceaccounts",))
STRANGER = ("system:serviceaccount:shop:x", ("system:serviceaccounts",))
MANAGER = ("system:kube-controller-manager", ())
LEASES = ("leases", "coordination.k8s.io", "kube-system")


@pytest.mark.parametrize(
    ("digest", "name"),
    [
        (asks("root", ("system:masters",), "list", "pods"), "exempt"),
        (Digest("system:anonymous", ("system:unauthenticated",), "get", "/readyz"), "probes"),
        (Digest("system:anonymous", ("system:unauthenticated",), "get", "/version"), "global-default"),
        (asks(*NODE, "patch", "nodes/status"), "system-node-high"),
        (asks(*NODE, "update", "leases", "coordination.k8s.io", "kube-node-lease"), "system-node-high"),
        (asks(*NODE, "list", "leases", "coordination.k8s.io"), "system-nodes"),
        (asks(*NODE, "list", "pods"), "system-nodes"),
        (asks(*MANAGER, "update", *LEASES), "system-leader-election"),
        (asks(*MANAGER, "list", *LEASES), "kube-controller-manager"),
        (asks(*MANAGER, "update", "endpoints", "", "shop"), "endpoint-controller"),
        (asks(*ACCOUNT, "get", *LEASES), "system-leader-election"),
        (asks(*ACCOUNT, "get", "pods", "", "shop"), "kube-system-service-accounts"),
        (asks(*STRANGER, "get", *LEASES), "service-accounts"),
        (asks("jane", (), "create", "pods", "", "shop"), "global-default"),
    ],
)
def test_requests_go_where_upstream_sends_them(digest, name):
    assert schema_of(digest).name == name


def test_a_schemas_distinguisher_makes_its_flows():
    jane, manager = asks("jane", (), "get", "pods", "", "shop"), asks(*MANAGER, "get", "pods", "", "shop")
    assert (schema_of(jane).flow(jane), schema_of(manager).flow(manager)) == ("jane", "shop")


def compiled(**rules):
    rule = {"subjects": [{"kind": "Group", "group": {"name": "*"}}], **rules}
    return compile_schema({"metadata": {"name": "x"}, "spec": {"rules": [rule]}})


def test_a_rule_without_cluster_scope_takes_only_its_namespaces():
    rule = {"verbs": ["*"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["a"]}
    schema = compiled(resourceRules=[rule])
    assert [schema.matches(asks("u", (), "get", "pods", "", space)) for space in ("a", "b", "")] == [True, False, False]


def test_paths_may_end_in_a_star():
    schema = compiled(nonResourceRules=[{"verbs": ["get"], "nonResourceURLs": ["/debug/*"]}])
    assert [schema.matches(Digest("u", (), "get", path)) for path in ("/debug/x", "/debug", "/x")] == [
        True,
        False,
        False,
    ]
