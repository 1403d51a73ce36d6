import pytest

from controllers.endpoint_slice import endpoint, plan, resolve_ports, slice_labels, wanted_endpoints
from controllers.endpoints import subsets
from tests.controllers.nodes import until

PORTS = [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]
ZONE = {"n1": {"metadata": {"labels": {"topology.kubernetes.io/zone": "z1"}}}}


def service(ports=PORTS, **spec):
    meta = {"name": "s", "namespace": "ns", "uid": "s", "labels": {"team": "x"}}
    return {"metadata": meta, "spec": {"clusterIP": "10.0.0.1", "ports": ports, "selector": {"app": "w"}, **spec}}


def pod(name, ip="10.1.0.1", *, port=8080, ready=True, deleting=False, phase="Running", node="n1", **spec):
    meta = {"name": name, "namespace": "ns", "uid": name, "labels": {"app": "w"}}
    container = {"name": "c", "ports": [{"name": "web", "containerPort": port}]}
    return {
        "metadata": {**meta, **({"deletionTimestamp": "x"} if deleting else {})},
        "spec": {"nodeName": node, "containers": [container], **spec},
        "status": {
            "phase": phase,
            "podIPs": [{"ip": ip}] if ip else [],
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def conditions(one, **spec):
    found = endpoint(service(**spec), one, ["10.1.0.1"], None)["conditions"]
    return "".join(name[0] for name in ("ready", "serving", "terminating") if found[name])


@pytest.mark.parametrize(
    ("one", "spec", "expected"),
    [
        (pod("a"), {}, "rs"),
        (pod("a", ready=False), {}, ""),
        (pod("a", ready=False), {"publishNotReadyAddresses": True}, "r"),
        (pod("a", deleting=True), {}, "st"),
        (pod("a", deleting=True, ready=False), {}, "t"),
    ],
)
def test_an_endpoint_tells_whether_it_serves(one, spec, expected):
    assert conditions(one, **spec) == expected


def test_ports_are_those_of_the_pod():
    assert resolve_ports(service(), pod("a", port=9090)) == (("http", "TCP", 9090, ""),)
    assert resolve_ports(service([{"port": 80, "targetPort": "other"}]), pod("a")) == ()
    plain = service([{"port": 80, "protocol": "UDP", "appProtocol": "x"}])
    assert resolve_ports(plain, pod("a")) == (("", "UDP", 80, "x"),)


def test_pods_without_an_address_a_node_or_a_future_are_left_out():
    pods = [pod("a"), pod("b", ip=""), pod("c", node=""), pod("d", phase="Failed")]
    ((_, rows),) = wanted_endpoints(service(), pods, {}).items()
    assert [row["targetRef"]["name"] for row in rows] == ["a"]


def test_pods_with_other_ports_are_in_a_slice_of_their_own():
    create, _, _ = plan(service(), [pod("a"), pod("b", "10.1.0.2", port=9090)], {}, [])
    assert sorted(one["ports"][0]["port"] for one in create) == [8080, 9090]


def test_a_service_without_pods_has_one_empty_slice():
    (made,), update, delete = plan(service(), [], {}, [])
    assert (made["endpoints"], made["ports"], update, delete) == ([], [], [], [])
    assert made["metadata"]["labels"] == {
        "team": "x",
        "kubernetes.io/service-name": "s",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert "service.kubernetes.io/headless" in slice_labels(service(clusterIP="None"))


def test_slices_hold_a_hundred_and_stay_as_they_are_where_nothing_changed():
    pods = [pod(f"p{number}", f"10.1.{number // 100}.{number % 100 + 1}") for number in range(150)]
    create, _, _ = plan(service(), pods, {}, [])
    assert [len(one["endpoints"]) for one in create] == [100, 50]
    there = [{**one, "metadata": {**one["metadata"], "name": f"s-{place}"}} for place, one in enumerate(create)]
    assert plan(service(), pods, {}, there) == ([], [], [])
    create, update, delete = plan(service(), pods[1:], {}, there)
    assert ([one["metadata"]["name"] for one in update], create, delete) == (["s-0"], [], [])


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (None, None),
        ("PreferClose", {"forZones": [{"name": "z1"}]}),
        ("PreferSameZone", {"forZones": [{"name": "z1"}]}),
        ("PreferSameNode", {"forZones": [{"name": "z1"}], "forNodes": [{"name": "n1"}]}),
    ],
)
def test_traffic_that_is_to_stay_near_is_given_hints(distribution, expected):
    near = service(trafficDistribution=distribution)
    ((_, (ready, unready)),) = wanted_endpoints(near, [pod("a"), pod("b", "10.1.0.2", ready=False)], ZONE).items()
    assert (ready.get("hints"), unready.get("hints")) == (expected, None)


def test_endpoints_tell_ready_and_unready_addresses_apart():
    named = pod("a", hostname="h", subdomain="s")
    (found,) = subsets(service(), [pod("b", "10.1.0.2", ready=False), named, pod("c", "10.1.0.3", deleting=True)])
    assert [(row["ip"], row["hostname"]) for row in found["addresses"]] == [("10.1.0.1", "h")]
    assert [row["ip"] for row in found["notReadyAddresses"]] == ["10.1.0.2"]
    assert found["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


@pytest.mark.live
async def test_endpoints_and_slices_follow_services_and_pods(client, ns):
    made = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": ns}}
    await client.create("services", {**made, "spec": {"selector": {"app": "w"}, "ports": [{"port": 80}]}})

    async def slices():
        return (await client.list("endpointslices.discovery.k8s.io", ns))["items"]

    def told(*addresses):
        async def check():
            found = await slices()
            rows = [row for one in found for row in one.get("endpoints") or ()]
            old = (await client.get("endpoints", "s", ns)).get("subsets") or []
            listed = sorted(row["ip"] for subset in old for row in subset.get("addresses") or ())
            return found and sorted(row["addresses"][0] for row in rows) == listed == list(addresses)

        return until(check)

    await told()
    for number in (1, 2):
        meta = {"name": f"p{number}", "namespace": ns, "labels": {"app": "w"}}
        spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
        await client.create("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        condition = {"type": "Ready", "status": "True"}
        address = f"10.1.0.{number}"
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [condition]}
        await client.patch("pods", f"p{number}", {"status": status}, ns, subresource="status")
    await told("10.1.0.1", "10.1.0.2")
    await client.delete("endpointslices.discovery.k8s.io", (await slices())[0]["metadata"]["name"], ns)
    await told("10.1.0.1", "10.1.0.2")
    await client.delete("pods", "p1", ns, options={"gracePeriodSeconds": 0})
    await told("10.1.0.2")
    await client.delete("services", "s", ns)

    async def gone():
        return not await slices() and not (await client.list("endpoints", ns))["items"]

    await until(gone)
