"""Pods through their subresources, against a live server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.conftest import Api, pod

pytestmark = pytest.mark.live
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
BINDING: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Binding",
    "metadata": {"name": "a"},
    "target": {"kind": "Node", "name": "n"},
}


def test_one_address_and_all_addresses_agree(api: Api, ns: str) -> None:
    api.json("POST", f"{ns}/pods", pod("a"))
    for given, one, every in (
        ({"podIP": "1.2.3.4"}, "1.2.3.4", ["1.2.3.4"]),
        ({"podIPs": [{"ip": "1.2.3.4"}, {"ip": "fd00::1"}]}, "1.2.3.4", ["1.2.3.4", "fd00::1"]),
        ({"podIP": "1.2.3.5"}, "1.2.3.5", ["1.2.3.5"]),
    ):
        status = api.json("PATCH", f"{ns}/pods/a/status", {"status": given}, MERGE)[1]["status"]
        assert (status["podIP"], [entry["ip"] for entry in status["podIPs"]]) == (one, every)


def test_a_binding_counts_once_and_may_be_tried(api: Api, ns: str) -> None:
    api.json("POST", f"{ns}/pods", pod("a"))
    assert api.json("POST", f"{ns}/pods/a/binding?dryRun=All", BINDING)[0] == 201
    assert "nodeName" not in api.json("GET", f"{ns}/pods/a")[1]["spec"]
    for target in ({"kind": "Service", "name": "n"}, {"kind": "Node", "name": ""}):
        assert api.json("POST", f"{ns}/pods/a/binding", BINDING | {"target": target})[0] == 400
    assert api.json("POST", f"{ns}/bindings", BINDING)[0] == 201
    status, refused = api.json("POST", f"{ns}/pods/a/binding", BINDING)
    assert (status, 'pod a is already assigned to node "n"' in refused["message"]) == (409, True)
    found = api.json("GET", f"{ns}/pods/a")[1]
    assert found["spec"]["nodeName"] == "n"
    scheduled = [one for one in found["status"]["conditions"] if one["type"] == "PodScheduled"]
    assert [one["status"] for one in scheduled] == ["True"]


def test_a_resize_changes_resources_and_nothing_else(api: Api, ns: str) -> None:
    made = pod("a")
    made["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100m"}}
    before = api.json("POST", f"{ns}/pods", made)[1]

    def resize(query: str = "", **container: Any) -> tuple[int, Any]:
        body = {"spec": {"containers": [{"name": "c", **container}]}}
        return api.json("PATCH", f"{ns}/pods/a/resize{query}", body, STRATEGIC)

    assert resize("?dryRun=All", resources={"requests": {"cpu": "300m"}})[0] == 200
    status, after = resize(image="other", resources={"requests": {"cpu": "200m"}})
    container = after["spec"]["containers"][0]
    assert (status, container["image"], container["resources"]["requests"]["cpu"]) == (200, "busybox", "200m")
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert api.json("GET", f"{ns}/pods/a/resize")[1] == api.json("GET", f"{ns}/pods/a")[1]
    status, refused = resize(resources={"requests": {"cpu": None}})
    assert (status, "may not change as a result of resizing" in refused["message"]) == (422, True)


def test_ephemeral_containers_have_no_resources_of_their_own(api: Api, ns: str) -> None:
    api.json("POST", f"{ns}/pods", pod("a"))
    body = {"spec": {"ephemeralContainers": [{"name": "e", "image": "i", "resources": {"limits": {"cpu": "1"}}}]}}
    status, refused = api.json("PATCH", f"{ns}/pods/a/ephemeralcontainers", body, STRATEGIC)
    assert (status, refused["details"]["causes"][0]["field"]) == (422, "spec.ephemeralContainers[0].resources")
    body["spec"]["ephemeralContainers"][0].pop("resources")
    assert api.json("PATCH", f"{ns}/pods/a/ephemeralcontainers?dryRun=All", body, STRATEGIC)[0] == 200
    assert api.json("PATCH", f"{ns}/pods/a/ephemeralcontainers", body, STRATEGIC)[0] == 200
    status, refused = api.json("PATCH", f"{ns}/pods/a", {"spec": {"ephemeralContainers": None}}, MERGE)
    assert (status, "pod updates may not change fields other than" in refused["message"]) == (422, True)


def test_a_token_request_is_checked(api: Api, ns: str) -> None:
    path = f"{ns}/serviceaccounts/default/token"

    def ask(**spec: Any) -> tuple[int, Any]:
        return api.json("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec})

    status, given = ask(audiences=["a"], expirationSeconds=700)
    assert (status, given["spec"]["audiences"], bool(given["status"]["token"])) == (201, ["a"], True)
    for seconds in (10, 2**33):
        status, refused = ask(expirationSeconds=seconds)
        assert (status, refused["details"]["causes"][0]["field"]) == (422, "spec.expirationSeconds")
    assert ask(boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "none"})[0] == 404
    assert ask(boundObjectRef={"kind": "ConfigMap", "apiVersion": "v1", "name": "none"})[0] == 400
    assert api.json("GET", path)[0] == 405
