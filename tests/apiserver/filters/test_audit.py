import json
import time

import pytest

from tests.apiserver.conftest import Api, config_map, pod

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def admin(guarded):
    return Api(guarded)


@pytest.fixture(scope="module")
def space(admin):
    return admin.namespace("audited")


def events(guarded, audit_id, stages=1):
    """Return the events of a request, when there are as many as there should be."""
    deadline = time.monotonic() + 5
    while True:
        lines = (guarded.directory / "audit.log").read_text().splitlines()
        found = [event for event in map(json.loads, lines) if event["auditID"] == audit_id]
        if len(found) >= stages or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def call(api, method, path, obj=None, **headers):
    if obj is not None:
        headers |= {"Content_Type": headers.get("Content_Type", "application/json")}
    status, answered, _ = api.raw(method, path, None if obj is None else Api.encode(obj), **headers)
    return status, answered["Audit-Id"]


def field(number, payload):
    return bytes([number << 3 | 2, len(payload)]) + payload


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("application/yaml", b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\n"),
        (
            "application/vnd.kubernetes.protobuf",
            b"k8s\0" + field(1, field(1, b"v1") + field(2, b"ConfigMap")) + field(2, field(1, field(1, b"from-proto"))),
        ),
    ],
)
def test_what_was_sent_is_told_however_it_was_written(guarded, admin, space, media, body):
    status, answered, _ = admin.raw("POST", f"{space}/configmaps", body, Content_Type=media)
    assert status == 201
    complete = events(guarded, answered["Audit-Id"], 2)[-1]
    assert complete["objectRef"]["name"] == complete["requestObject"]["metadata"]["name"]
    assert complete["objectRef"]["name"].startswith("from-")


def test_a_write_is_told_at_its_stages_with_what_was_sent_and_answered(guarded, admin, space):
    status, audit_id = call(admin, "POST", f"{space}/configmaps", config_map("a", x="y"), User_Agent="me")
    assert status == 201
    received, complete = events(guarded, audit_id, 2)
    assert (received["stage"], complete["stage"]) == ("RequestReceived", "ResponseComplete")
    assert "responseStatus" not in received
    assert "requestObject" not in received
    assert complete["level"] == "RequestResponse"
    assert complete["objectRef"] == {
        "resource": "configmaps",
        "namespace": "audited",
        "name": "a",
        "apiVersion": "v1",
    }
    assert complete["user"]["username"] == "kubernetes-admin"
    assert (complete["verb"], complete["userAgent"], complete["sourceIPs"]) == ("create", "me", ["127.0.0.1"])
    assert complete["requestObject"]["data"] == complete["responseObject"]["data"] == {"x": "y"}
    assert "managedFields" not in complete["responseObject"]["metadata"]
    assert complete["responseStatus"] == {"metadata": {}, "code": 201}
    assert complete["annotations"]["authorization.k8s.io/decision"] == "allow"


def test_metadata_leaves_content_out_and_keeps_what_admission_noted(guarded, admin, space):
    status, audit_id = call(admin, "POST", f"{space}/pods", pod("a"), Audit_ID="chosen-by-me")
    assert (status, audit_id) == (201, "chosen-by-me")
    (event,) = events(guarded, audit_id)
    assert event["level"] == "Metadata"
    assert "requestObject" not in event
    assert event["objectRef"]["name"] == "a"
    assert event["annotations"]["pod-security.kubernetes.io/enforce-policy"] == "baseline:latest"
    status, audit_id = call(admin, "GET", f"{space}/events")
    assert events(guarded, audit_id, 0) == []


def test_refusals_and_impersonation_are_told(guarded, admin, space):
    status, audit_id = call(admin, "GET", f"{space}/configmaps", Impersonate_User="jane", Impersonate_Group="g")
    assert status == 403
    event = events(guarded, audit_id, 2)[-1]
    assert event["user"]["username"] == "kubernetes-admin"
    assert event["impersonatedUser"] == {"username": "jane", "groups": ["g", "system:authenticated"]}
    assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert event["responseStatus"]["reason"] == "Forbidden"
    assert 'User "jane" cannot list resource "configmaps"' in event["responseStatus"]["message"]
    nobody = Api(guarded, user="")
    status, audit_id = call(nobody, "GET", f"{space}/pods", Authorization="Bearer nonsense")
    assert status == 401
    (event,) = events(guarded, audit_id)
    assert (event["stage"], event["user"]) == ("ResponseStarted", {})
    assert event["responseStatus"]["message"] == "Authentication failed, attempted: bearer"


def test_the_reason_names_the_binding(guarded, space):
    kubelet = Api(guarded, user="scheduler")
    status, audit_id = call(kubelet, "GET", "/api/v1/nodes")
    assert status == 200
    (event,) = events(guarded, audit_id)
    assert event["annotations"]["authorization.k8s.io/reason"] == (
        'RBAC: allowed by ClusterRoleBinding "system:kube-scheduler" of ClusterRole "system:kube-scheduler" '
        'to User "system:kube-scheduler"'
    )


def test_a_watch_is_told_when_it_starts_and_when_it_ends(guarded, admin, space):
    status, audit_id = call(admin, "GET", f"{space}/pods?watch=1&timeoutSeconds=1")
    assert status == 200
    stages = [event["stage"] for event in events(guarded, audit_id, 2)]
    assert stages == ["ResponseStarted", "ResponseComplete"]
