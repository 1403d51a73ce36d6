"""Extension API servers on a running server: found, checked, described, and passed on to."""

import json
import socket
import struct
import time

import pytest

from tests.apiserver.conftest import Api, until
from tests.apiserver.extension_server import ExtensionServer

pytestmark = pytest.mark.live

SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
VERBS = ["get", "list", "watch", "create"]
PREFIX = "/apis/wardle.example.com/v1alpha1"
FLUNDERS = f"{PREFIX}/namespaces/default/flunders"
RESOURCES = [
    {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "verbs": VERBS},
    {"name": "flunders/status", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["get"]},
]
DEFINITION = {"type": "object", "properties": {"metadata": {"$ref": "#/definitions/Meta"}}}
DOCUMENTS = {
    PREFIX: {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "wardle.example.com/v1alpha1",
        "resources": RESOURCES,
    },
    "/openapi/v2": {
        "swagger": "2.0",
        "paths": {f"{PREFIX}/flunders": {"get": {"responses": {"200": {"description": "OK"}}}}},
        "definitions": {"com.example.Flunder": DEFINITION, "Meta": {"type": "object"}},
    },
    "/openapi/v3": {"paths": {PREFIX[1:]: {"serverRelativeURL": f"/openapi/v3{PREFIX}?hash=ABC"}}},
    f"/openapi/v3{PREFIX}?hash=ABC": {"openapi": "3.0.0", "components": {"schemas": {"Flunder": {}}}},
}


def answer(method, path, body, headers):
    if path in DOCUMENTS:
        return 200, DOCUMENTS[path]
    if path.endswith("elsewhere"):
        return 302, "https://elsewhere.example.com/"
    if "slow" in path:
        time.sleep(1)
    if path.endswith("broken"):
        return 418, {"kind": "Status", "reason": "Teapot"}
    return 200, {"path": path, "got": body}


def condition(api):
    status = api.json("GET", f"{SERVICES}/v1alpha1.wardle.example.com")[1].get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else ()
    return next((one for one in conditions or () if one["type"] == "Available"), {})


def registration(server, **more):
    spec = {
        "group": "wardle.example.com",
        "version": "v1alpha1",
        "service": {"namespace": "default", "name": server.name, "port": 7443},
        "groupPriorityMinimum": 2000,
        "versionPriority": 200,
        **more,
    }
    metadata = {"name": "v1alpha1.wardle.example.com"}
    return {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": metadata, "spec": spec}


def register(api, server, **more):
    status, made = api.json("POST", SERVICES, registration(server, **more))
    assert status == 201, made


def forget(api, server):
    api.json("DELETE", f"{SERVICES}/v1alpha1.wardle.example.com")
    until(lambda: api.json("GET", FLUNDERS)[0] == 404)
    api.json("DELETE", f"/api/v1/namespaces/default/services/{server.name}")
    api.json("DELETE", f"/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/{server.name}")


@pytest.fixture(scope="module")
def server(pair, tmp_path_factory):
    made = ExtensionServer(tmp_path_factory.mktemp("wardle"), "wardle", answer, pair.certs / "front-proxy-ca.crt")
    yield made
    made.close()


@pytest.fixture
def wardle(api: Api, server):
    """An extension server that is registered and available."""
    register(api, server, caBundle=server.bundle)
    server.publish(api, 7443)
    until(lambda: condition(api).get("status") == "True")
    yield server
    forget(api, server)


def test_a_condition_tells_what_is_missing(api: Api, server):
    register(api, server, caBundle=server.bundle)
    assert until(lambda: condition(api).get("reason")) == "ServiceNotFound"
    status, headers, text = api.raw("GET", FLUNDERS)
    assert (status, headers["Content-Type"], text) == (503, "text/plain; charset=utf-8", b"service unavailable\n")
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    groups = json.loads(api.raw("GET", "/apis", Accept=aggregated)[2])["items"]
    stale = next(group for group in groups if group["metadata"]["name"] == "wardle.example.com")
    assert stale["versions"] == [{"version": "v1alpha1", "freshness": "Stale"}]
    server.publish(api, 7443)
    until(lambda: condition(api).get("status") == "True")
    assert (condition(api)["reason"], condition(api)["message"]) == ("Passed", "all checks passed")
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    api.json("PATCH", f"{slices}/wardle", {"endpoints": []}, "application/merge-patch+json")
    assert until(lambda: condition(api).get("status") == "False")
    assert condition(api)["reason"] == "MissingEndpoints"
    forget(api, server)


def last_passed_on(wardle):
    """Return the last request that somebody made; the server itself asks for health and OpenAPI at any time."""
    return [seen for seen in wardle.seen if seen[1].startswith(FLUNDERS)][-1]


def test_requests_are_passed_on_with_their_user(api: Api, wardle):
    status, got = api.json("POST", f"{FLUNDERS}?x=1&y=a%20b", {"a": 1})
    assert (status, got) == (200, {"path": f"{FLUNDERS}?x=1&y=a%20b", "got": {"a": 1}})
    _, _, _, headers, peer = last_passed_on(wardle)
    assert headers["X-Remote-User"] == "kubernetes-admin"
    assert "system:masters" in headers.get_all("X-Remote-Group")
    assert (("commonName", "front-proxy-client"),) in peer["subject"]
    assert (headers["Authorization"], headers["X-Forwarded-For"]) == (None, "127.0.0.1")
    forged = {"X_Remote_User": "root", "X_Remote_Group": "more", "X_Forwarded_For": "10.1.1.1", "Audit_ID": "mine"}
    api.raw("POST", FLUNDERS, b"{}", **forged)
    headers = last_passed_on(wardle)[3]
    assert headers["Content-Type"] is None
    assert headers.get_all("X-Remote-User") == ["kubernetes-admin"]
    assert "more" not in headers.get_all("X-Remote-Group")
    assert headers["X-Forwarded-For"] == "10.1.1.1, 127.0.0.1"
    assert headers["Audit-Id"] == "mine"
    who = {"Impersonate_User": "jane", "Impersonate_Group": "dev", "Impersonate_Extra_scopes": "view"}
    assert api.raw("GET", FLUNDERS, **who)[0] == 403
    api.raw(
        "GET", FLUNDERS, Impersonate_User="jane", Impersonate_Group="system:masters", Impersonate_Extra_scopes="view"
    )
    headers = last_passed_on(wardle)[3]
    assert (headers["X-Remote-User"], headers["X-Remote-Extra-scopes"]) == ("jane", "view")
    assert headers["Impersonate-User"] is None


def test_answers_come_back_as_they_are_but_redirects_do_not(api: Api, wardle):
    assert api.json("GET", f"{FLUNDERS}/broken") == (418, {"kind": "Status", "reason": "Teapot"})
    status, _, text = api.raw("GET", f"{FLUNDERS}/elsewhere")
    assert status == 502
    assert text == b"the backend attempted to redirect this request, which is not permitted\n"


def test_a_request_has_the_time_it_asks_for(api: Api, wardle):
    status, answered = api.json("GET", f"{FLUNDERS}/slow?timeout=200ms")
    assert (status, answered["reason"]) == (504, "Timeout")
    assert answered["message"].startswith("Timeout: request did not complete within requested timeout")
    assert api.json("GET", f"{FLUNDERS}/slow?timeout=10s")[0] == 200


def test_a_watch_is_passed_on_event_by_event(api: Api, wardle):
    with api.watch(f"{FLUNDERS}?watch=1") as watch:
        for number in range(3):
            wardle.events.put({"type": "ADDED", "object": {"number": number}})
            assert watch.next() == ("ADDED", {"number": number})
        wardle.events.put(None)
        with pytest.raises(EOFError):
            watch.next()


def dial(api: Api, protocol: str, path: str = f"{FLUNDERS}/one/connect") -> tuple[socket.socket, bytes]:
    connection = api.tls.wrap_socket(
        socket.create_connection(("127.0.0.1", api.pair.port), 10), server_hostname="127.0.0.1"
    )
    lines = [f"GET {path} HTTP/1.1", "Host: a", "Connection: Upgrade", f"Upgrade: {protocol}", "X-Stream: one"]
    connection.sendall("\r\n".join([*lines, "X-Stream: two", "", ""]).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    return connection, head


@pytest.mark.parametrize("protocol", ["SPDY/3.1", "websocket"])
def test_upgrades_are_passed_on_as_bytes(api: Api, wardle, protocol: str):
    connection, head = dial(api, protocol)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert f"Upgrade: {protocol}".encode() in head
    # A SPDY SYN_STREAM and a WebSocket frame look the same to a proxy: bytes, any of them.
    frame = struct.pack("!HHI", 0x8003, 1, 0) + bytes(range(97, 123))
    for _ in range(3):
        connection.sendall(frame)
        got = b""
        while len(got) < len(frame):
            got += connection.recv(4096)
        assert got == frame.upper()
    connection.sendall(b"quit")
    assert connection.recv(10) == b""
    connection.close()
    headers = last_passed_on(wardle)[3]
    assert headers["X-Remote-User"] == "kubernetes-admin"
    assert headers.get_all("X-Stream") == ["one", "two"]


def test_discovery_and_openapi_tell_of_it(api: Api, wardle):
    groups = [group["name"] for group in api.json("GET", "/apis")[1]["groups"]]
    assert "wardle.example.com" in groups
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    def version():
        items = json.loads(api.raw("GET", "/apis", Accept=aggregated)[2])["items"]
        found = next(group for group in items if group["metadata"]["name"] == "wardle.example.com")
        return found["versions"][0]

    until(lambda: version()["freshness"] == "Current")
    (resource,) = version()["resources"]
    assert (resource["resource"], resource["scope"], resource["verbs"]) == ("flunders", "Namespaced", VERBS)
    assert resource["subresources"][0]["subresource"] == "status"
    assert api.json("GET", "/apis/wardle.example.com")[1]["preferredVersion"]["version"] == "v1alpha1"
    assert api.json("GET", PREFIX)[1]["resources"] == RESOURCES
    v2 = until(lambda: (found := api.json("GET", "/openapi/v2")[1])["definitions"].get("com.example.Flunder") and found)
    assert f"{PREFIX}/flunders" in v2["paths"]
    assert "io.k8s.api.core.v1.Pod" in v2["definitions"]
    link = api.json("GET", "/openapi/v3")[1]["paths"][PREFIX[1:]]["serverRelativeURL"]
    assert link.endswith("?hash=ABC")
    assert api.json("GET", link)[1]["components"] == {"schemas": {"Flunder": {}}}


def test_a_server_of_another_authority_is_not_talked_to(api: Api, pair, server, tmp_path):
    other = ExtensionServer(tmp_path, "other", answer)
    other.close()
    register(api, server, caBundle=other.bundle)
    server.publish(api, 7443)
    # The check asks whoever answers, as upstream's does.
    until(lambda: condition(api).get("status") == "True")
    seen = len(server.seen)
    status, _, text = api.raw("GET", FLUNDERS)
    assert status == 503
    assert b"x509: certificate signed by unknown authority" in text
    connection, head = dial(api, "SPDY/3.1")
    connection.close()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert not [path for _, path, *_ in server.seen[seen:] if "flunders" in path]
    update = {"spec": {"caBundle": None, "insecureSkipTLSVerify": True}}
    path = f"{SERVICES}/v1alpha1.wardle.example.com"
    status, changed = api.json("PATCH", path, update, "application/merge-patch+json")
    assert status == 200, changed
    until(lambda: api.raw("GET", FLUNDERS)[0] == 200)
    connection, head = dial(api, "SPDY/3.1")
    connection.close()
    assert head.startswith(b"HTTP/1.1 101 ")
    forget(api, server)


def test_an_unreachable_server_is_told_with_its_address(api: Api, tmp_path):
    gone = ExtensionServer(tmp_path, "gone", answer)
    gone.close()
    register(api, gone, caBundle=gone.bundle)
    gone.publish(api, 7443)
    until(lambda: condition(api).get("reason") == "FailedDiscoveryCheck")
    url = f"https://{gone.address}:{gone.port}{PREFIX}"
    assert condition(api)["message"].startswith(f'failing or missing response from {url}: Get "{url}": ')
    forget(api, gone)


def test_extension_servers_learn_whom_to_trust(api: Api):
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    data = until(lambda: api.json("GET", path)[1].get("data"))
    assert "BEGIN CERTIFICATE" in data["client-ca-file"]
    assert "BEGIN CERTIFICATE" in data["requestheader-client-ca-file"]
    assert data["requestheader-username-headers"] == '["X-Remote-User"]'


def test_local_groups_have_services(api: Api):
    found = until(lambda: api.json("GET", f"{SERVICES}/v1.apps")[1].get("status"))
    assert found["conditions"][0]["message"] == "Local APIServices are always available"
