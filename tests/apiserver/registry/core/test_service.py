"""Services and their IPAddresses, against a live server."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.apiserver.conftest import Api

ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
CIDRS = "/apis/networking.k8s.io/v1/servicecidrs"
MERGE = "application/merge-patch+json"


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}]} | spec}


def offer(api: Api, name: str, cidr: str) -> None:
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": name}}
    assert api.json("POST", CIDRS, body | {"spec": {"cidrs": [cidr]}})[0] == 201


@pytest.mark.live
def test_a_cluster_ip_has_its_ip_address_as_long_as_the_service_has_it(api: Api, ns: str) -> None:
    made = api.json("POST", f"{ns}/services", service("a"))[1]
    address = made["spec"]["clusterIP"]
    status, found = api.json("GET", f"{ADDRESSES}/{address}")
    assert status == 200
    space = ns.rpartition("/")[2]
    assert found["spec"]["parentRef"] == {"resource": "services", "namespace": space, "name": "a"}
    assert found["metadata"]["labels"] == {
        "ipaddress.kubernetes.io/ip-family": "IPv4",
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
    }
    gone = {"spec": {"type": "ExternalName", "externalName": "a.example.com", "clusterIP": None, "clusterIPs": None}}
    status, changed = api.json("PATCH", f"{ns}/services/a", gone, MERGE)
    assert (status, changed["spec"].get("clusterIP")) == (200, None), changed
    assert api.json("GET", f"{ADDRESSES}/{address}")[0] == 404
    back = api.json("PATCH", f"{ns}/services/a", {"spec": {"type": "ClusterIP", "externalName": None}}, MERGE)[1]
    assert api.json("GET", f"{ADDRESSES}/{back['spec']['clusterIP']}")[0] == 200
    assert api.json("DELETE", f"{ns}/services/a")[0] == 200
    assert api.json("GET", f"{ADDRESSES}/{back['spec']['clusterIP']}")[0] == 404


@pytest.mark.live
def test_a_write_that_comes_to_nothing_leaves_no_ip_address(api: Api, ns: str) -> None:
    dry = api.json("POST", f"{ns}/services?dryRun=All", service("a"))[1]
    assert api.json("GET", f"{ADDRESSES}/{dry['spec']['clusterIP']}")[0] == 404
    assert api.json("POST", f"{ns}/services", service("a"))[0] == 201
    before = {one["metadata"]["name"] for one in api.json("GET", ADDRESSES)[1]["items"]}
    status, again = api.json("POST", f"{ns}/services", service("a"))
    assert (status, again["reason"]) == (409, "AlreadyExists")
    assert {one["metadata"]["name"] for one in api.json("GET", ADDRESSES)[1]["items"]} == before


@pytest.mark.live
def test_an_ip_address_of_something_else_keeps_services_away(api: Api, ns: str) -> None:
    offer(api, "taken", "192.168.101.0/28")
    parent = {"group": "gateway.example.com", "resource": "gateways", "name": "g"}
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress", "metadata": {"name": "192.168.101.3"}}
    assert api.json("POST", ADDRESSES, body | {"spec": {"parentRef": parent}})[0] == 201
    status, refused = api.json("POST", f"{ns}/services", service("a", clusterIP="192.168.101.3"))
    assert (status, refused["reason"]) == (422, "Invalid")
    assert refused["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: ["192.168.101.3"]: failed to allocate IP 192.168.101.3: '
            "provided IP is already allocated",
            "field": "spec.clusterIPs",
        }
    ]
    assert api.json("DELETE", f"{ADDRESSES}/192.168.101.3")[0] == 200
    assert api.json("POST", f"{ns}/services", service("a", clusterIP="192.168.101.3"))[0] == 201


@pytest.mark.live
def test_added_ranges_are_used_until_they_are_deleted_or_not_ready(api: Api, ns: str) -> None:
    status, refused = api.json("POST", f"{ns}/services", service("a", clusterIP="192.168.102.3"))
    assert (status, "the provided network does not match the current range" in refused["message"]) == (422, True)
    offer(api, "added", "192.168.102.0/28")
    assert api.json("POST", f"{ns}/services", service("a", clusterIP="192.168.102.3"))[0] == 201
    condition = {"type": "Ready", "status": "False", "reason": "Terminating", "message": ""}
    patch = {"status": {"conditions": [condition | {"lastTransitionTime": "2026-01-01T00:00:00Z"}]}}
    assert api.json("PATCH", f"{CIDRS}/added/status", patch, MERGE)[0] == 200
    assert api.json("POST", f"{ns}/services", service("b", clusterIP="192.168.102.4"))[0] == 422
    relabelled = api.json("PATCH", f"{ns}/services/a", {"metadata": {"labels": {"a": "b"}}}, MERGE)
    assert (relabelled[0], relabelled[1]["spec"]["clusterIP"]) == (200, "192.168.102.3")
    assert api.json("DELETE", f"{ns}/services/a")[0] == 200
    assert api.json("DELETE", f"{CIDRS}/added")[0] == 200


@pytest.mark.live
def test_the_default_range_is_ready(api: Api) -> None:
    for _ in range(50):
        found = api.json("GET", f"{CIDRS}/kubernetes")[1]
        conditions = (found.get("status") or {}).get("conditions") or []
        if conditions:
            break
        time.sleep(0.1)
    assert [(one["type"], one["status"]) for one in conditions] == [("Ready", "True")]
    kubernetes = api.json("GET", "/api/v1/namespaces/default/services/kubernetes")[1]
    assert api.json("GET", f"{ADDRESSES}/{kubernetes['spec']['clusterIP']}")[0] == 200


@pytest.mark.live
def test_an_ip_address_somebody_deleted_is_made_again(api: Api, ns: str) -> None:
    address = api.json("POST", f"{ns}/services", service("a"))[1]["spec"]["clusterIP"]
    assert api.json("DELETE", f"{ADDRESSES}/{address}")[0] == 200
    deadline = time.monotonic() + 10
    while api.json("GET", f"{ADDRESSES}/{address}")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    events = api.json("GET", f"{ns}/events?fieldSelector=reason%3DClusterIPNotAllocated")[1]["items"]
    assert [one["involvedObject"]["name"] for one in events] == ["a"]


@pytest.mark.live
def test_a_service_cidr_may_gain_a_family_and_nothing_else(api: Api) -> None:
    offer(api, "grows", "192.168.103.0/28")

    def become(*cidrs: str) -> tuple[int, Any]:
        return api.json("PATCH", f"{CIDRS}/grows", {"spec": {"cidrs": list(cidrs)}}, MERGE)

    status, refused = become("192.168.104.0/28")
    assert (status, refused["details"]["causes"][0]["field"]) == (422, "spec.cidrs[0]")
    assert become("192.168.103.0/28", "192.168.104.0/28")[0] == 422
    assert become("192.168.103.0/28", "fd00:103::/112")[0] == 200
    assert become("192.168.103.0/28")[0] == 422
    assert api.json("DELETE", f"{CIDRS}/grows")[0] == 200


@pytest.mark.live
def test_an_address_changed_alone_is_told_once(api: Api, ns: str) -> None:
    made = api.json("POST", f"{ns}/services", service("a"))[1]
    status, refused = api.json("PATCH", f"{ns}/services/a", {"spec": {"clusterIP": "10.96.200.200"}}, MERGE)
    told = [("spec.clusterIPs[0]", 'Invalid value: "10.96.200.200": may not change once set')]
    assert (status, [(one["field"], one["message"]) for one in refused["details"]["causes"]]) == (422, told)
    kept = api.json("PATCH", f"{ns}/services/a", {"spec": {"clusterIP": None}}, MERGE)[1]
    assert kept["spec"]["clusterIPs"] == made["spec"]["clusterIPs"]


@pytest.mark.live
def test_a_service_asks_only_for_families_that_are_there(api: Api, ns: str) -> None:
    status, refused = api.json("POST", f"{ns}/services", service("a", ipFamilyPolicy="RequireDualStack"))
    told = 'Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services'
    assert (status, refused["details"]["causes"][0]["message"]) == (422, told)
    bare = api.json("POST", f"{ns}/services", service("b", clusterIP="None"))[1]["spec"]
    assert (bare["ipFamilyPolicy"], bare["ipFamilies"]) == ("RequireDualStack", ["IPv4", "IPv6"])
    wish = api.json("POST", f"{ns}/services", service("c", ipFamilyPolicy="PreferDualStack"))[1]["spec"]
    assert (wish["ipFamilies"], len(wish["clusterIPs"])) == (["IPv4"], 1)
