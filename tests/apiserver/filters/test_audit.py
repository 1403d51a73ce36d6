"""Audit policy: the first rule that matches decides."""

import pytest

from apiserver.authentication.user import UserInfo
from apiserver.filters.audit import Audit, PolicyError, read_policy
from apiserver.filters.request_info import parse
from component.clock import FakeClock

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
    audit = Audit(str(tmp_path / "log"), read_policy(str(policy)), FakeClock(), most_bytes=0)
    assert audit.level(user, parse(method, target)) == level


@pytest.mark.parametrize("text", ["", "kind: Policy\n", "kind: Policy\nrules: [{level: Loud}]\n", "- 1\n", "{"])
def test_bad_policies(tmp_path, text):
    policy = tmp_path / "policy.yaml"
    policy.write_text(text)
    with pytest.raises(PolicyError):
        read_policy(str(policy))
