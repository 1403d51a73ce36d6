"""Network policies: what is compiled, and what a kernel then lets through."""

import os

import pytest

from proxy.network_policy import OWNER, PolicyPod, policies_fragment, policy_pods
from proxy.rules import RuleState
from tests.proxy.network import NODE, SETTINGS, A, B, Net

NAMESPACES = {"ns": {"team": "x"}, "other": {"team": "y"}}
POD_A = PolicyPod("ns", "a", {"app": "a"}, A, local=True, ports=(("web", "TCP", 8080),))
POD_B = PolicyPod("ns", "b", {"app": "b"}, B, local=True, ports=(("web", "TCP", 8080),))


def policy(selector=None, namespace="ns", **spec):
    return {"metadata": {"namespace": namespace, "name": "p"}, "spec": {"podSelector": selector or {}, **spec}}


def rules_of(fragment, direction, address):
    target = fragment.elements.get((f"policy-{direction}", address))
    return fragment.chains[target.removeprefix("goto ")] if target else None


def compiled(*policies, pods=(POD_A, POD_B)):
    return policies_fragment(list(policies), list(pods), NAMESPACES, SETTINGS)


def test_without_policies_there_is_nothing():
    assert not compiled().chains


def test_a_policy_isolates_only_what_it_selects_and_only_its_directions():
    made = compiled(policy({"matchLabels": {"app": "b"}}))
    assert rules_of(made, "ingress", B) == (f"ip saddr {B} accept", "drop")
    assert rules_of(made, "egress", B) is None
    assert rules_of(made, "ingress", A) is None


def test_peers_ports_and_blocks():
    rule = {
        "from": [
            {"podSelector": {"matchLabels": {"app": "a"}}},
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
        ],
        "ports": [{"port": 80, "endPort": 90}, {"port": "web"}, {"protocol": "UDP"}],
    }
    made = compiled(policy({"matchLabels": {"app": "b"}}, ingress=[rule]))
    rules = rules_of(made, "ingress", B)
    (peers,) = [name for name in made.sets if name.startswith("peers-")]
    assert made.elements[peers, A] == ""
    assert (peers, B) not in made.elements
    assert f"ip saddr @{peers} tcp dport 80-90 accept" in rules
    assert f"ip saddr @{peers} tcp dport 8080 accept" in rules
    assert "ip saddr 10.0.0.0/8 ip saddr != { 10.1.0.0/16 } meta l4proto udp accept" in rules


def test_egress_to_named_ports_and_other_namespaces():
    far = PolicyPod("other", "c", {"app": "c"}, "10.9.9.9", local=False, ports=(("db", "TCP", 5432),))
    peer = {"namespaceSelector": {"matchLabels": {"team": "y"}}}
    made = compiled(
        policy(policyTypes=["Egress"], egress=[{"to": [peer], "ports": [{"port": "db"}]}]), pods=(POD_A, POD_B, far)
    )
    assert rules_of(made, "egress", A) == ("ip daddr 10.9.9.9 tcp dport 5432 accept", "drop")


def test_policies_add_up():
    made = compiled(policy(), policy({"matchLabels": {"app": "b"}}, ingress=[{}]))
    assert "accept" in rules_of(made, "ingress", B)
    assert "accept" not in rules_of(made, "ingress", A)


def test_pods_with_the_nodes_network_and_ended_ones_have_no_policy():
    pods = [
        {"metadata": {"namespace": "ns", "name": "h"}, "spec": {"hostNetwork": True}, "status": {"podIP": "1.2.3.4"}},
        {"metadata": {"namespace": "ns", "name": "e"}, "spec": {}, "status": {"podIP": "1.2.3.5", "phase": "Failed"}},
        {"metadata": {"namespace": "ns", "name": "r"}, "spec": {"nodeName": "n"}, "status": {"podIP": "1.2.3.6"}},
    ]
    assert [(p.name, p.local) for p in policy_pods(pods, "n", 4)] == [("r", True)]


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_kernel_enforces_them():
    net = Net()
    try:
        net.build()
        state = RuleState(SETTINGS)
        net.apply(state.full())

        def enforce(*policies):
            commands = state.change({OWNER: compiled(*policies)})
            if commands:
                net.apply("\n".join(commands) + "\n")

        assert net.ask("a", B, 8080).startswith("b ")
        enforce(policy({"matchLabels": {"app": "b"}}))
        assert net.ask("a", B, 8080) == "TimeoutError"
        assert net.ask("b", A, 8080).startswith("a "), "replies to an isolated pod pass"
        assert net.ask("node", B, 8080).startswith("b "), "the node may always"
        enforce(
            policy(
                {"matchLabels": {"app": "b"}},
                ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "a"}}}], "ports": [{"port": "web"}]}],
            )
        )
        assert net.ask("a", B, 8080).startswith("b ")
        enforce(policy({"matchLabels": {"app": "a"}}, policyTypes=["Egress"]))
        assert net.ask("a", B, 8080) == "TimeoutError"
        assert net.ask("b", A, 8080).startswith("a ")
        block = {"ipBlock": {"cidr": f"{NODE}/24", "except": [f"{B}/32"]}}
        enforce(policy({"matchLabels": {"app": "a"}}, policyTypes=["Egress"], egress=[{"to": [block]}]))
        assert net.ask("a", B, 8080) == "TimeoutError"
        enforce()
        assert net.ask("a", B, 8080).startswith("b ")
        assert "policy-" not in net.apply("list table ip mkt-proxy")
    finally:
        net.close()
