"""Paths to what is asked for (upstream's RequestInfo rules)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.filters.request_info import parse


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/api/v1/pods", ("list", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/pods?watch=true", ("watch", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/pods?watch=0", ("list", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/namespaces/a/pods/b", ("get", "", "v1", "pods", "", "a", "b")),
        ("PATCH", "/api/v1/namespaces/a/pods/b/status", ("patch", "", "v1", "pods", "status", "a", "b")),
        (
            "DELETE",
            "/apis/apps/v1/namespaces/a/deployments",
            ("deletecollection", "apps", "v1", "deployments", "", "a", ""),
        ),
        ("GET", "/api/v1/namespaces", ("list", "", "v1", "namespaces", "", "", "")),
        ("GET", "/api/v1/namespaces/a", ("get", "", "v1", "namespaces", "", "a", "a")),
        ("PUT", "/api/v1/namespaces/a/finalize", ("update", "", "v1", "namespaces", "finalize", "a", "a")),
        ("GET", "/api/v1/watch/namespaces/a/pods", ("watch", "", "v1", "pods", "", "a", "")),
        (
            "POST",
            "/api/v1/namespaces/a/services/https:b:c/proxy/x/",
            ("create", "", "v1", "services", "proxy", "a", "https:b:c"),
        ),
        ("GET", "/api/v1/namespaces/a/configmaps/x%2Fy", ("get", "", "v1", "configmaps", "", "a", "x/y")),
    ],
)
def test_resource_requests(method, target, expected):
    info = parse(method, target)
    assert info.resource_request
    found = (info.verb, info.group, info.version, info.resource, info.subresource, info.namespace, info.name)
    assert found == expected


@pytest.mark.parametrize(
    "target", ["/", "/api", "/api/v1", "/apis/apps/v1", "/version", "/openapi/v3/apis/apps/v1", "//"]
)
def test_other_paths(target):
    info = parse("GET", target)
    assert not info.resource_request
    assert info.verb == "get"


@given(st.text(max_size=80))
def test_any_target_parses(text):
    parse("GET", "/" + text)
