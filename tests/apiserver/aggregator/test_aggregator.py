import pytest

from tests.apiserver.conftest import until
from tests.apiserver.extension_server import ExtensionServer

pytestmark = pytest.mark.live

SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
FLUNDER = {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "verbs": ["get"]}


def answer(method, path, body, headers):
    if path == "/apis/wardle.example.com/v1alpha1":
        group = "wardle.example.com/v1alpha1"
        return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": [FLUNDER]}
    return 200, {"path": path, "got": body}


def condition(api):
    status = api.json("GET", f"{SERVICES}/v1alpha1.wardle.example.com")[1].get("status") or {}
    return next((one for one in status.get("conditions") or () if one["type"] == "Available"), {})


def test_an_extension_server_is_found_checked_and_passed_on_to(api, pair, tmp_path):
    server = ExtensionServer(tmp_path, "wardle", answer, pair.certs / "front-proxy-ca.crt")
    spec = {
        "group": "wardle.example.com",
        "version": "v1alpha1",
        "service": {"namespace": "default", "name": "wardle", "port": 7443},
        "caBundle": server.bundle,
        "groupPriorityMinimum": 2000,
        "versionPriority": 200,
    }
    meta = {"name": "v1alpha1.wardle.example.com"}
    body = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": meta, "spec": spec}
    assert api.json("POST", SERVICES, body)[0] == 201
    assert until(lambda: condition(api).get("reason")) == "ServiceNotFound"
    flunders = "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders"
    assert api.json("GET", flunders)[0] == 503
    server.publish(api, 7443)
    until(lambda: condition(api).get("status") == "True")
    assert condition(api)["message"] == "all checks passed"
    status, got = api.json("POST", flunders + "?x=1", {"a": 1})
    assert (status, got) == (200, {"path": flunders + "?x=1", "got": {"a": 1}})
    _, _, _, headers, peer = server.seen[-1]
    assert headers["X-Remote-User"] == "kubernetes-admin"
    assert "system:masters" in headers.get_all("X-Remote-Group")
    assert (("commonName", "front-proxy-client"),) in peer["subject"]
    assert headers["Authorization"] is None
    assert api.raw("POST", flunders, b"{}")[0] == 200
    assert server.seen[-1][3]["Content-Type"] is None
    groups = api.json("GET", "/apis")[1]["groups"]
    assert "wardle.example.com" in [group["name"] for group in groups]
    api.json("DELETE", f"{SERVICES}/v1alpha1.wardle.example.com")
    until(lambda: api.json("GET", flunders)[0] == 404)
    server.close()


def test_extension_servers_learn_whom_to_trust(api):
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    data = until(lambda: api.json("GET", path)[1].get("data"))
    assert "BEGIN CERTIFICATE" in data["client-ca-file"]
    assert "BEGIN CERTIFICATE" in data["requestheader-client-ca-file"]
    assert data["requestheader-username-headers"] == '["X-Remote-User"]'


def test_local_groups_have_services(api):
    found = until(lambda: api.json("GET", f"{SERVICES}/v1.apps")[1].get("status"))
    assert found["conditions"][0]["message"] == "Local APIServices are always available"
