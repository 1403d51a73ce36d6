from proxy.conntrack import StaleFlow, stale_flows
from proxy.service_map import Endpoint, ServicePort


def port(*addresses, protocol="udp", node_port=0):
    endpoints = tuple(Endpoint(a, 53, local=True) for a in addresses)
    return ServicePort("ns/dns", "dns", protocol, "10.96.0.5", 53, node_port, endpoints=endpoints)


def test_flows_to_a_gone_endpoint_are_stale():
    stale = stale_flows([port("10.0.0.1", "10.0.0.2")], [port("10.0.0.2")])
    assert stale == {StaleFlow(53, "10.96.0.5", "10.0.0.1")}


def test_a_removed_port_forgets_all_its_endpoints_and_its_node_port():
    stale = stale_flows([port("10.0.0.1", node_port=30053)], [])
    assert stale == {StaleFlow(53, "10.96.0.5", "10.0.0.1"), StaleFlow(30053, "", "10.0.0.1")}


def test_the_first_endpoint_frees_clients_that_waited():
    assert stale_flows([port()], [port("10.0.0.1")]) == {StaleFlow(53, "10.96.0.5")}


def test_tcp_is_left_alone():
    assert stale_flows([port("10.0.0.1", protocol="tcp")], []) == set()
