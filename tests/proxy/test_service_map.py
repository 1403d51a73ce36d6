from proxy.service_map import Endpoint, service_ports


def service(**spec):
    base = {"clusterIP": "10.96.0.5", "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    return {"metadata": {"namespace": "ns", "name": "web", "labels": spec.pop("labels", {})}, "spec": {**base, **spec}}


def endpoint_slice(*endpoints, port=8080, name="http", family="IPv4"):
    return {"addressType": family, "ports": [{"name": name, "port": port}], "endpoints": list(endpoints)}


def endpoint(address, node="n1", **conditions):
    return {"addresses": [address], "nodeName": node, "conditions": conditions}


def test_ready_endpoints_of_the_named_port_are_used():
    slices = [endpoint_slice(endpoint("10.0.0.1"), endpoint("10.0.0.2", "n2"), endpoint("10.0.0.3", ready=False))]
    (port,) = service_ports(service(), slices, "n1")
    assert port.endpoints == (Endpoint("10.0.0.1", 8080, local=True), Endpoint("10.0.0.2", 8080, local=False))
    assert port.local_endpoints == (Endpoint("10.0.0.1", 8080, local=True),)
    assert port.protocol == "tcp"


def test_terminating_endpoints_serve_only_when_nobody_else_does():
    ending = endpoint("10.0.0.1", ready=False, serving=True, terminating=True)
    (port,) = service_ports(service(), [endpoint_slice(ending)], "n1")
    assert [e.address for e in port.endpoints] == ["10.0.0.1"]
    (port,) = service_ports(service(), [endpoint_slice(ending, endpoint("10.0.0.2"))], "n1")
    assert [e.address for e in port.endpoints] == ["10.0.0.2"]


def test_headless_external_name_and_foreign_services_have_no_ports():
    assert service_ports(service(clusterIP="None"), [], "n1") == ()
    assert service_ports(service(clusterIP="", type="ExternalName"), [], "n1") == ()
    labels = {"service.kubernetes.io/service-proxy-name": "other"}
    assert service_ports(service(labels=labels), [], "n1") == ()


def test_a_service_whose_endpoint_is_its_own_address_needs_no_rules():
    spec = {"clusterIP": "10.96.0.10", "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]}
    slices = [endpoint_slice(endpoint("10.96.0.10"), port=53, name="dns")]
    assert service_ports(service(**spec), slices, "n1") == ()


def test_affinity_and_policies():
    spec = {
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}},
        "externalTrafficPolicy": "Local",
        "internalTrafficPolicy": "Local",
    }
    (port,) = service_ports(service(**spec), [endpoint_slice(endpoint("10.0.0.1", "n2"))], "n1")
    assert (port.affinity_seconds, port.external_local, port.internal_local) == (5, True, True)
    assert port.endpoints
    assert not port.local_endpoints


def test_families_are_kept_apart():
    both = service(clusterIP="10.96.0.5", clusterIPs=["10.96.0.5", "fd00::5"])
    slices = [
        endpoint_slice(endpoint("10.0.0.1")),
        endpoint_slice(endpoint("fd00:1::1"), family="IPv6"),
    ]
    (four,) = service_ports(both, slices, "n1", 4)
    (six,) = service_ports(both, slices, "n1", 6)
    assert (four.cluster_ip, six.cluster_ip) == ("10.96.0.5", "fd00::5")
    assert [e.address for e in six.endpoints] == ["fd00:1::1"]
