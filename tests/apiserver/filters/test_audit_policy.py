"""Audit policy: the first rule that matches decides."""

import pytest

from apiserver.authentication.user import UserInfo
from apiserver.filters.audit_policy import PolicyError, read_policy
from apiserver.filters.request_info import parse

POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  users: ["system:kube-proxy"]
  verbs: ["watch"]
- level: None
  nonResourceURLs: ["/healthz*", "/version"]
- level: Request
  resources: [{group: "", resources: ["configmaps"]}]
  namespaces: ["kube-system"]
- level: RequestResponse
  resources: [{group: "", resources: ["pods", "pods/*"]}]
- level: None
  userGroups: ["quiet"]
- level: Metadata
"""


@pytest.mark.parametrize(
    ("user", "method", "target", "level"),
    [
        (UserInfo("system:kube-proxy"), "GET", "/api/v1/endpoints?watch=1", "None"),
        (UserInfo("system:kube-proxy"), "GET", "/api/v1/endpoints", "Metadata"),
        (UserInfo("x"), "GET", "/healthz/etcd", "None"),
        (UserInfo("x"), "GET", "/metrics", "Metadata"),
        (UserInfo("x"), "PUT", "/api/v1/namespaces/kube-system/configmaps/a", "Request"),
        (UserInfo("x"), "PUT", "/api/v1/namespaces/default/configmaps/a", "Metadata"),
        (UserInfo("x"), "POST", "/api/v1/namespaces/default/pods/a/exec", "RequestResponse"),
        (UserInfo("x", groups=("quiet",)), "GET", "/apis/apps/v1/deployments", "None"),
    ],
)
def test_levels(tmp_path, user, method, target, level):
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    assert read_policy(str(policy)).scope(user, parse(method, target)).level == level


def test_rules_add_to_the_stages_that_are_left_out_and_decide_about_managed_fields(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("""
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- {level: Request, verbs: [get], omitStages: [ResponseStarted], omitManagedFields: false}
- {level: Metadata, verbs: [create]}
""")
    read = read_policy(str(policy))
    scope = read.scope(UserInfo("x"), parse("GET", "/api/v1/namespaces/a/pods/b"))
    assert scope.omitted_stages == {"RequestReceived", "ResponseStarted"}
    assert not scope.omit_managed_fields
    scope = read.scope(UserInfo("x"), parse("POST", "/api/v1/namespaces/a/pods"))
    assert (scope.omitted_stages, scope.omit_managed_fields) == ({"RequestReceived"}, True)
    assert read.scope(UserInfo("x"), parse("DELETE", "/api/v1/namespaces/a/pods/b")).level == "None"


RULE = "kind: Policy\nrules: [{level: None, %s}]\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kind: Policy\n",
        "kind: Policy\nrules: [{level: Loud}]\n",
        "- 1\n",
        "{",
        "kind: Policy\nomitStages: [Never]\nrules: [{level: None}]\n",
        RULE % "nonResourceURLs: [healthz]",
        RULE % "nonResourceURLs: [/a*b]",
        RULE % "nonResourceURLs: [/a], namespaces: [b]",
        RULE % "resources: [{group: '', resourceNames: [a]}]",
        RULE % "users: me",
    ],
)
def test_bad_policies(tmp_path, text):
    policy = tmp_path / "policy.yaml"
    policy.write_text(text)
    with pytest.raises(PolicyError):
        read_policy(str(policy))
