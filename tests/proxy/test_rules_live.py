"""The rules in a real kernel: a node, two pods on its bridge and an outside host, each a network namespace."""

import os
import socket
import subprocess

import pytest

from linux import netns
from proxy.conntrack import StaleFlow, forget
from proxy.rules import Fragment, RuleState, Settings, fragment
from proxy.service_map import Endpoint, ServicePort
from tests.proxy.network import NODE, OUTSIDE, SETTINGS, TABLE, VIP, A, B, Net

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


@pytest.fixture(scope="module")
def net():
    made = Net()
    try:
        made.build()
        yield made
    finally:
        made.close()


@pytest.fixture
def state(net):
    made = RuleState(SETTINGS)
    net.apply(made.full())
    return made


def change(net, state, name, *ports):
    commands = state.change({name: fragment(ports, SETTINGS)})
    if commands:
        net.apply("\n".join(commands) + "\n")


def port(*addresses, protocol="tcp", **rest):
    endpoints = tuple(Endpoint(a, 8080, local=a != B) for a in addresses)
    local = tuple(e for e in endpoints if e.local)
    return ServicePort("ns/s", "p", protocol, VIP, 80, endpoints=endpoints, local_endpoints=local, **rest)


def test_a_cluster_address_reaches_all_endpoints_from_pods_node_and_itself(net, state):
    change(net, state, "s", port(A, B))
    for source in ("a", "b", "node"):
        answers = [net.ask(source, VIP, 80) for _ in range(24)]
        assert {x.split()[0] for x in answers} == {"a", "b"}, (source, answers)


def test_the_source_is_kept_between_pods_and_rewritten_for_hairpin(net, state):
    change(net, state, "s", port(B))
    assert net.ask("a", VIP, 80) == f"b {A}"
    assert net.ask("b", VIP, 80) == f"b {NODE}"


def test_udp(net, state):
    change(net, state, "s", port(B, protocol="udp"))
    assert net.ask("a", VIP, 80, udp=True) == f"b {A}"
    assert net.ask("b", VIP, 80, udp=True) == f"b {NODE}"
    assert net.ask("node", VIP, 80, udp=True).startswith("b ")


def test_node_ports_answer_on_the_nodes_addresses_only(net, state):
    change(net, state, "s", port(A, node_port=30080))
    for source, address in (("out", "192.0.2.1"), ("a", NODE), ("b", NODE), ("node", NODE), ("node", "192.0.2.1")):
        assert net.ask(source, address, 30080).startswith("a "), (source, address)
    assert net.ask("node", "127.0.0.1", 30080) == "ConnectionRefusedError"


def test_local_policy_keeps_the_source_and_drops_what_has_no_endpoint_here(net, state):
    change(net, state, "s", port(A, B, node_port=30080, external_local=True))
    assert {net.ask("out", "192.0.2.1", 30080) for _ in range(8)} == {f"a {OUTSIDE}"}
    change(net, state, "s", port(B, node_port=30080, external_local=True))
    assert net.ask("out", "192.0.2.1", 30080) == "TimeoutError"
    assert net.ask("node", "192.0.2.1", 30080).startswith("b "), "the node itself may go anywhere"


def test_external_and_load_balancer_addresses_and_their_source_ranges(net, state):
    change(net, state, "s", port(A, external_ips=("10.97.0.1",), load_balancer_ips=("10.97.0.2",)))
    assert net.ask("out", "10.97.0.1", 80).startswith("a ")
    assert net.ask("out", "10.97.0.2", 80).startswith("a ")
    change(net, state, "s", port(A, load_balancer_ips=("10.97.0.2",), source_ranges=("203.0.113.0/24",)))
    assert net.ask("out", "10.97.0.2", 80) == "TimeoutError"
    change(net, state, "s", port(A, load_balancer_ips=("10.97.0.2",), source_ranges=("192.0.2.0/24",)))
    assert net.ask("out", "10.97.0.2", 80).startswith("a ")


def test_without_endpoints_clients_are_refused_at_once(net, state):
    change(net, state, "s", port(node_port=30080))
    for source in ("a", "node"):
        assert net.ask(source, VIP, 80) == "ConnectionRefusedError", source
    assert net.ask("out", "192.0.2.1", 30080) == "ConnectionRefusedError"


def test_session_affinity_sticks_and_can_be_turned_off_and_on(net, state):
    change(net, state, "s", port(A, B, affinity_seconds=60))
    for source in ("a", "b", "node", "out"):
        assert len({net.ask(source, VIP, 80).split()[0] for _ in range(10)}) == 1, source
    change(net, state, "s", port(A, B))
    assert len({net.ask("node", VIP, 80).split()[0] for _ in range(24)}) == 2
    change(net, state, "s", port(A, B, affinity_seconds=60))
    assert len({net.ask("node", VIP, 80).split()[0] for _ in range(10)}) == 1


def test_changes_leave_the_same_table_as_making_it_anew(net, state):
    steps = [
        [port(A)],
        [port(A, B, affinity_seconds=5)],
        [port(A, B, affinity_seconds=9, node_port=30080)],
        [port(node_port=30080)],
        [port(B, external_local=True, node_port=30081), port(B, protocol="udp")],
    ]
    for step in steps:
        change(net, state, "s", *step)
        after_change = net.apply(f"list table ip {TABLE}")
        net.apply(state.full())
        assert sorted(net.apply(f"list table ip {TABLE}").split()) == sorted(after_change.split())
    net.apply("\n".join(state.change({"s": Fragment()})) + "\n")
    assert "10.96.0.77" not in net.apply(f"list table ip {TABLE}")
    assert "svc-" not in net.apply(f"list table ip {TABLE}")


def test_a_nodeport_shared_by_two_services_outlives_the_first(net, state):
    change(net, state, "one", port(A, node_port=30080))
    other = ServicePort("ns/t", "p", "tcp", "10.96.0.78", 80, 30080, endpoints=(Endpoint(B, 8080, local=True),))
    change(net, state, "two", other)
    assert net.ask("out", "192.0.2.1", 30080).startswith("a ")
    change(net, state, "one")
    assert net.ask("out", "192.0.2.1", 30080).startswith("b ")


async def test_stale_udp_flows_are_forgotten(net, state):
    change(net, state, "s", port(A, protocol="udp"))

    def client():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(1)
        s.connect((VIP, 80))
        return s

    with netns.run_in(net.path("b"), client) as s:
        s.send(b"x")
        assert s.recv(100) == f"a {B}".encode()
        change(net, state, "s", port(B, protocol="udp"))
        s.send(b"x")
        assert s.recv(100).startswith(b"a "), "the kernel remembers"
        # The tool is a process, and processes start in the namespace of the thread that forks them.
        words = StaleFlow(80, VIP, A).arguments()
        subprocess.run(["ip", "netns", "exec", net.names["node"], "conntrack", *words], check=True, capture_output=True)
        s.send(b"x")
        assert s.recv(100).startswith(b"b ")
    await forget([StaleFlow(1, "203.0.113.1", "203.0.113.2")])


def test_without_a_tracked_bridge_the_source_is_rewritten(net):
    def write(value):
        try:
            with open("/proc/sys/net/bridge/bridge-nf-call-iptables", "w") as file:
                file.write(value)
        except OSError:
            pytest.skip("no br_netfilter to turn off")

    netns.run_in(net.path("node"), lambda: write("0"))
    try:
        settings = Settings(TABLE, 4, "10.244.9.0/24", (), masquerade_pods=True)
        made = RuleState(settings)
        net.apply(made.full())
        net.apply("\n".join(made.change({"s": fragment([port(A, B)], settings)})) + "\n")
        answers = {net.ask("a", VIP, 80) for _ in range(20)}
        assert answers == {f"a {NODE}", f"b {NODE}"}
    finally:
        netns.run_in(net.path("node"), lambda: write("1"))
