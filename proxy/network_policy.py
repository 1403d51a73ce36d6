"""NetworkPolicies, turned into a fragment of the proxy's table.

Pure. A pod that some policy selects gets a chain per direction, reached through a map by
its address, that accepts what one of its policies allows and drops the rest. Peers are kept
in sets by what selects them, so a pod that comes or goes is one element, and the chains of
pods under the same policies are shared.

Both directions are checked on the forward hook in chains of their own, because `accept` ends
only the chain of its hook; egress to the node itself on the input hook. What comes from the
node (probes) is never filtered. Replies pass by connection tracking.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apimachinery.objects import selectors
from proxy.rules import Fragment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from apimachinery.objects.metadata import Obj
    from proxy.rules import Settings

OWNER = "network-policies"
# After the service rules' refusals and before the filters of others.
_HOOKS = {
    "policy-egress-forward": "type filter hook forward priority -5;",
    "policy-egress-input": "type filter hook input priority -5;",
    "policy-ingress-forward": "type filter hook forward priority -4;",
}
_PROTOCOLS = ("TCP", "UDP", "SCTP")


@dataclass(frozen=True, slots=True)
class PolicyPod:
    """A pod as policies see it.

    Attributes:
        address: of the family at hand.
        local: whether it is on this node, so that its policies are enforced here.
        ports: named ports as (name, protocol, number).
    """

    namespace: str
    name: str
    labels: Mapping[str, str]
    address: str
    local: bool
    ports: tuple[tuple[str, str, int], ...] = ()


def policy_pods(pods: Iterable[Obj], node_name: str, family: int) -> list[PolicyPod]:
    """The pods with an address of their own."""
    found = []
    for pod in pods:
        spec, status = pod.get("spec") or {}, pod.get("status") or {}
        if spec.get("hostNetwork") or status.get("phase") in ("Succeeded", "Failed"):
            continue
        addresses = [item.get("ip") for item in status.get("podIPs") or ()] or [status.get("podIP")]
        address = next((a for a in addresses if a and (":" in a) == (family == 6)), None)
        if address is None:
            continue
        meta = pod["metadata"]
        ports = tuple(
            (p["name"], p.get("protocol") or "TCP", int(p["containerPort"]))
            for c in spec.get("containers") or ()
            for p in c.get("ports") or ()
            if p.get("name")
        )
        local = spec.get("nodeName") == node_name
        found.append(PolicyPod(meta["namespace"], meta["name"], meta.get("labels") or {}, address, local, ports))
    return found


def policies_fragment(
    policies: Sequence[Obj],
    pods: Sequence[PolicyPod],
    namespaces: Mapping[str, Mapping[str, str]],
    settings: Settings,
) -> Fragment:
    """What all policies together contribute; nothing where there are none.

    Args:
        policies: all NetworkPolicies.
        pods: all pods.
        namespaces: labels by name of the namespace.
        settings: of the family at hand.
    """
    if not policies:
        return Fragment()
    return _Compiler(pods, namespaces, settings).compile(policies)


@dataclass(slots=True)
class _Selected:
    """The policies of one pod, by direction; None where it is not isolated."""

    ingress: list[Obj] | None = None
    egress: list[Obj] | None = None


@dataclass(slots=True)
class _Compiler:
    pods: Sequence[PolicyPod]
    namespaces: Mapping[str, Mapping[str, str]]
    settings: Settings
    made: Fragment = field(default_factory=Fragment)

    def compile(self, policies: Sequence[Obj]) -> Fragment:
        ip, address = self.settings.nft_family, self.settings.address_type
        for direction in ("ingress", "egress"):
            self.made.sets[f"policy-{direction}"] = ("map", f"type {address} : verdict;")
        for pod in self.pods:
            if pod.local:
                self._isolate(pod, _policies_of(pod, policies))
        established = "ct state established,related accept"
        for name, hook in _HOOKS.items():
            direction, side = ("egress", "saddr") if "egress" in name else ("ingress", "daddr")
            self.made.chains[name] = (established, f"{ip} {side} vmap @policy-{direction}")
            self.made.hooks[name] = hook
        return self.made

    def _isolate(self, pod: PolicyPod, selected: _Selected) -> None:
        for direction, policies in (("ingress", selected.ingress), ("egress", selected.egress)):
            if policies is None:
                continue
            rules: list[str] = []
            for policy in policies:
                for rule in policy["spec"].get(direction) or ():
                    rules += self._rule(policy["metadata"]["namespace"], rule, direction, pod)
            if direction == "ingress":
                # A pod reaches itself, also through a Service.
                rules.append(f"{self.settings.nft_family} saddr {pod.address} accept")
            unique = tuple(dict.fromkeys(rules))
            chain = f"policy-{direction}-{_digest(*unique)}"
            self.made.chains[chain] = (*unique, "drop")
            self.made.elements[f"policy-{direction}", pod.address] = f"goto {chain}"

    def _rule(self, namespace: str, rule: dict[str, Any], direction: str, pod: PolicyPod) -> list[str]:
        ip = self.settings.nft_family
        side = "saddr" if direction == "ingress" else "daddr"
        peers = rule.get("from" if direction == "ingress" else "to") or []
        sources = [""] if not peers else []
        pod_peers = []
        for peer in peers:
            if "ipBlock" in peer:
                sources += self._block(peer["ipBlock"], side)
            else:
                pod_peers.append(peer)
                sources.append(f"{ip} {side} @{self._peer_set(namespace, peer)} ")
        ports = rule.get("ports") or []
        if not ports:
            return [f"{source}accept" for source in sources]
        found = []
        for port in ports:
            named = isinstance(port.get("port"), str) and not str(port["port"]).isdigit()
            if named and direction == "egress":
                found += self._named_egress(
                    namespace, port, pod_peers or ([{"namespaceSelector": {}}] if not peers else [])
                )
                continue
            found += [f"{source}{match} accept" for match in _port_matches(port, pod) for source in sources]
        return found

    def _block(self, block: dict[str, Any], side: str) -> list[str]:
        ip, family = self.settings.nft_family, self.settings.family
        network = ipaddress.ip_network(block["cidr"], strict=False)
        if network.version != family:
            return []
        everything = network.prefixlen == 0
        text = "" if everything else f"{ip} {side} {network} "
        excepted = [str(ipaddress.ip_network(cidr, strict=False)) for cidr in block.get("except") or ()]
        return [f"{text}{ip} {side} != {{ {', '.join(sorted(excepted))} }} " if excepted else text]

    def _peer_set(self, namespace: str, peer: dict[str, Any]) -> str:
        name = f"peers-{_digest(namespace, json.dumps(peer, sort_keys=True))}"
        if name not in self.made.sets:
            self.made.sets[name] = ("set", f"type {self.settings.address_type};")
            for pod in self._matching(namespace, peer):
                self.made.elements[name, pod.address] = ""
        return name

    def _matching(self, namespace: str, peer: dict[str, Any]) -> list[PolicyPod]:
        in_namespace = {namespace}
        if (raw := peer.get("namespaceSelector")) is not None:
            selector = selectors.from_label_selector(raw)
            in_namespace = {name for name, labels in self.namespaces.items() if selector.matches(labels)}
        raw_pods = peer.get("podSelector")
        chosen = selectors.from_label_selector(raw_pods) if raw_pods is not None else None
        return [
            pod for pod in self.pods if pod.namespace in in_namespace and (chosen is None or chosen.matches(pod.labels))
        ]

    def _named_egress(self, namespace: str, port: dict[str, Any], peers: list[dict[str, Any]]) -> list[str]:
        """A named port means another number on every peer that has it."""
        ip, protocol = self.settings.nft_family, port.get("protocol") or "TCP"
        return sorted(
            {
                f"{ip} daddr {pod.address} {protocol.lower()} dport {number} accept"
                for peer in peers
                for pod in self._matching(namespace, peer)
                for name, of_protocol, number in pod.ports
                if (name, of_protocol) == (port["port"], protocol)
            }
        )


def _port_matches(port: dict[str, Any], pod: PolicyPod) -> list[str]:
    """Nft matches of a port; named ones are those of the pod itself."""
    protocol = port.get("protocol") or "TCP"
    if protocol not in _PROTOCOLS:
        return []
    wanted = port.get("port")
    if wanted is None:
        return [f"meta l4proto {protocol.lower()}"]
    text = str(wanted)
    if not text.isdigit():
        numbers = [n for name, of_protocol, n in pod.ports if (name, of_protocol) == (text, protocol)]
        return [f"{protocol.lower()} dport {number}" for number in numbers]
    end = port.get("endPort")
    return [f"{protocol.lower()} dport {text}-{end}" if end else f"{protocol.lower()} dport {text}"]


def _policies_of(pod: PolicyPod, policies: Sequence[Obj]) -> _Selected:
    found = _Selected()
    for policy in policies:
        spec = policy.get("spec") or {}
        if policy["metadata"]["namespace"] != pod.namespace:
            continue
        if not selectors.from_label_selector(spec.get("podSelector") or {}).matches(pod.labels):
            continue
        types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
        if "Ingress" in types:
            found.ingress = [*(found.ingress or []), policy]
        if "Egress" in types:
            found.egress = [*(found.egress or []), policy]
    return found


def _digest(*parts: str) -> str:
    return base64.b32encode(hashlib.sha256("\n".join(parts).encode()).digest())[:12].decode()
