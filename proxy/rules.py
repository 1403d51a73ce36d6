"""Service ports, turned into nftables: one table, verdict maps, the smallest change.

Pure: text in, text out. The table has fixed chains on the kernel's hooks that look an
address up in a map; each service port adds a chain and map elements. `RuleState` keeps
what every service contributes and answers each change with the commands for just that
change, to be run as one transaction.

Chains of a service port: `svc-` picks among all endpoints, `loc-` among local ones,
`ext-` is the way in from outside, `fw-` guards a load balancer's address, `ep-` goes
to one endpoint and remembers the client (session affinity only).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.service_map import Endpoint, ServicePort

# Bit of the packet mark that says "rewrite the source too" (kube-proxy's --iptables-masquerade-bit 14).
MASQUERADE_MARK = 0x4000
REJECT = "goto reject-service"

Element = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the rules need to know of the node.

    Attributes:
        table: the name of the table.
        family: 4 or 6.
        cluster_cidr: where pods live; traffic from elsewhere to a cluster address is masqueraded.
        node_port_addresses: networks on whose local addresses node ports answer; empty for all but loopback.
        masquerade_pods: rewrite the source of traffic between pods too, for nodes whose bridge
            hides replies from connection tracking.
    """

    table: str = "kube-proxy"
    family: int = 4
    cluster_cidr: str = ""
    node_port_addresses: tuple[str, ...] = ()
    masquerade_pods: bool = False

    @property
    def nft_family(self) -> str:
        """`ip` or `ip6`."""
        return "ip" if self.family == 4 else "ip6"

    @property
    def address_type(self) -> str:
        """Nft's name of an address type."""
        return f"ipv{self.family}_addr"


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one contributor (a service, or all network policies) puts into the table.

    Attributes:
        chains: name to rules.
        hooks: the hooks of those chains that have one.
        sets: name to kind (`set` or `map`) and specification.
        elements: set or map name and key to a verdict; empty in sets.
    """

    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hooks: dict[str, str] = field(default_factory=dict)
    sets: dict[str, tuple[str, str]] = field(default_factory=dict)
    elements: dict[Element, str] = field(default_factory=dict)


def base_table(settings: Settings) -> list[str]:
    """Commands that make the empty table, replacing whatever had its name."""
    ip, address = settings.nft_family, settings.address_type
    lines = [
        f"add table {ip} {settings.table}",
        f"delete table {ip} {settings.table}",
        f'add table {ip} {settings.table} {{ comment "Services of Kubernetes, kept by minikube-py proxy"; }}',
    ]
    objects = [
        ("set", "cluster-ips", f"type {address};"),
        ("set", "hairpin", f"type {address} . {address};"),
        ("set", "node-port-addresses", f"type {address}; flags interval; auto-merge;"),
        ("map", "service-ips", f"type {address} . inet_proto . inet_service : verdict;"),
        ("map", "service-nodeports", "type inet_proto . inet_service : verdict;"),
        ("map", "no-endpoint-services", f"type {address} . inet_proto . inet_service : verdict;"),
        ("map", "no-endpoint-nodeports", "type inet_proto . inet_service : verdict;"),
    ]
    lines += [f"add {kind} {ip} {settings.table} {name} {{ {spec} }}" for kind, name, spec in objects]
    if settings.node_port_addresses:
        networks = ", ".join(settings.node_port_addresses)
        lines.append(f"add element {ip} {settings.table} node-port-addresses {{ {networks} }}")
    for name, (hook, rules) in _base_chains(settings).items():
        lines.append(f"add chain {ip} {settings.table} {name}{f' {{ {hook} }}' if hook else ''}")
        lines += [f"add rule {ip} {settings.table} {name} {rule}" for rule in rules]
    return lines


def _base_chains(settings: Settings) -> dict[str, tuple[str, list[str]]]:
    """Chain to hook and rules; order matters, since a rule may only name chains that exist."""
    ip = settings.nft_family
    outside = f"{ip} saddr != {settings.cluster_cidr} " if settings.cluster_cidr else ""
    on_node = f"fib daddr type local {_node_port_match(settings)} "
    services = [
        f"{ip} daddr . meta l4proto . th dport vmap @service-ips",
        f"{on_node}meta l4proto . th dport vmap @service-nodeports",
    ]
    if outside:
        # Without a cluster network there is no telling inside from outside; then pods answer directly.
        services.insert(0, f"{ip} daddr @cluster-ips {outside}jump mark-for-masquerade")
    no_endpoints = [
        f"ct state new {ip} daddr . meta l4proto . th dport vmap @no-endpoint-services",
        f"ct state new {on_node}meta l4proto . th dport vmap @no-endpoint-nodeports",
    ]
    postrouting = [f"ct status dnat {ip} saddr . {ip} daddr @hairpin masquerade fully-random"]
    if settings.masquerade_pods and settings.cluster_cidr:
        cidr = settings.cluster_cidr
        postrouting.append(f"ct status dnat {ip} saddr {cidr} {ip} daddr {cidr} masquerade fully-random")
    postrouting += [
        f"meta mark & {MASQUERADE_MARK:#x} == 0 return",
        f"meta mark set meta mark xor {MASQUERADE_MARK:#x}",
        "masquerade fully-random",
    ]
    chains: dict[str, tuple[str, list[str]]] = {
        "mark-for-masquerade": ("", [f"meta mark set meta mark or {MASQUERADE_MARK:#x}"]),
        "reject-service": ("", ["reject"]),
        "services": ("", services),
        "no-endpoints": ("", no_endpoints),
        "postrouting": ("type nat hook postrouting priority 100;", postrouting),
    }
    for hook in ("prerouting", "output"):
        chains[f"nat-{hook}"] = (f"type nat hook {hook} priority -100;", ["jump services"])
    for hook in ("input", "forward", "output"):
        # Before the filters of others, which might accept and hide the missing endpoints.
        chains[f"filter-{hook}"] = (f"type filter hook {hook} priority -110;", ["jump no-endpoints"])
    return chains


def _node_port_match(settings: Settings) -> str:
    if settings.node_port_addresses:
        return f"{settings.nft_family} daddr @node-port-addresses"
    loopback = "127.0.0.0/8" if settings.family == 4 else "::1"
    return f"{settings.nft_family} daddr != {loopback}"


def _digest(*parts: object) -> str:
    text = "\n".join(map(str, parts))
    return base64.b32encode(hashlib.sha256(text.encode()).digest())[:8].decode()


def fragment(ports: Iterable[ServicePort], settings: Settings) -> Fragment:
    """What the ports of one Service contribute."""
    made = Fragment()
    for port in ports:
        _Builder(made, settings, port).build()
    return made


class _Builder:
    """Adds one service port to a fragment."""

    def __init__(self, made: Fragment, settings: Settings, port: ServicePort) -> None:
        self._made = made
        self._settings = settings
        self._port = port
        self._ip = settings.nft_family
        service = port.service[:60]
        self._suffix = f"{_digest(port.key)}-{service}/{port.protocol}/{port.port}"

    def build(self) -> None:
        """Chains and elements of the port."""
        port, elements = self._port, self._made.elements
        elements["cluster-ips", port.cluster_ip] = ""
        everywhere = self._balance("svc", port.endpoints)
        local = everywhere
        if port.local_endpoints != port.endpoints and (port.internal_local or port.external_local):
            local = self._balance("loc", port.local_endpoints)
        for endpoint in port.all_endpoints:
            elements["hairpin", f"{endpoint.address} . {endpoint.address}"] = ""
        self._enter(port.cluster_ip, local if port.internal_local else everywhere)
        if not (port.node_port or port.external_addresses):
            return
        outside = self._external(everywhere, local)
        for address in port.external_ips:
            self._enter(address, outside)
        guarded = self._guarded(outside) if outside and port.source_ranges else outside
        for address in port.load_balancer_ips:
            self._enter(address, guarded)
        if port.node_port:
            key = f"{port.protocol} . {port.node_port}"
            if outside:
                elements["service-nodeports", key] = f"goto {outside}"
            else:
                elements["no-endpoint-nodeports", key] = REJECT

    def _enter(self, address: str, chain: str) -> None:
        key = f"{address} . {self._port.protocol} . {self._port.port}"
        if chain:
            self._made.elements["service-ips", key] = f"goto {chain}"
        else:
            # Endpoints elsewhere, but none here under the policy Local: silence, as upstream.
            verdict = "drop" if self._port.endpoints else REJECT
            self._made.elements["no-endpoint-services", key] = verdict

    def _balance(self, prefix: str, endpoints: tuple[Endpoint, ...]) -> str:
        if not endpoints:
            return ""
        name = f"{prefix}-{self._suffix}"
        if self._port.affinity_seconds:
            self._made.chains[name] = self._sticky(endpoints)
        else:
            self._made.chains[name] = (self._dnat(endpoints),)
        return name

    def _dnat(self, endpoints: tuple[Endpoint, ...]) -> str:
        match = f"meta l4proto {self._port.protocol} dnat {self._ip}"
        if len(endpoints) == 1:
            only = endpoints[0]
            address = only.address if self._settings.family == 4 else f"[{only.address}]"
            return f"{match} to {address}:{only.port}"
        targets = ", ".join(f"{index} : {e.address} . {e.port}" for index, e in enumerate(endpoints))
        return f"{match} to numgen random mod {len(endpoints)} map {{ {targets} }}"

    def _sticky(self, endpoints: tuple[Endpoint, ...]) -> tuple[str, ...]:
        """A client that was here within the time goes where it went."""
        known, fresh = [], []
        for index, endpoint in enumerate(endpoints):
            seconds = self._port.affinity_seconds
            # The time is part of the name: a set's timeout can't be changed in place.
            digest = _digest(self._port.key, endpoint.address, endpoint.port, seconds)
            chain, memory = f"ep-{digest}", f"affinity-{digest}"
            spec = f"type {self._settings.address_type}; flags dynamic,timeout; timeout {seconds}s;"
            self._made.sets[memory] = ("set", spec)
            self._made.chains[chain] = (f"update @{memory} {{ {self._ip} saddr }}", self._dnat((endpoint,)))
            known.append(f"{self._ip} saddr @{memory} goto {chain}")
            fresh.append(f"{index} : goto {chain}")
        return (*known, f"numgen random mod {len(fresh)} vmap {{ {', '.join(fresh)} }}")

    def _external(self, everywhere: str, local: str) -> str:
        """The way in from outside; empty when nothing is behind it."""
        if not everywhere:
            return ""
        name = f"ext-{self._suffix}"
        if not self._port.external_local:
            self._made.chains[name] = ("jump mark-for-masquerade", f"goto {everywhere}")
            return name
        cidr = self._settings.cluster_cidr
        rules = [f"{self._ip} saddr {cidr} goto {everywhere}"] if cidr else []
        # The node itself is inside, wherever the endpoints are; only its source must be rewritten.
        rules += ["fib saddr type local jump mark-for-masquerade", f"fib saddr type local goto {everywhere}"]
        rules.append(f"goto {local}" if local else "drop")
        self._made.chains[name] = tuple(rules)
        return name

    def _guarded(self, target: str) -> str:
        name = f"fw-{self._suffix}"
        ranges = ", ".join(self._port.source_ranges)
        self._made.chains[name] = (f"{self._ip} saddr {{ {ranges} }} goto {target}", "drop")
        return name


class RuleState:
    """What the table holds, by contributor.

    An element may be wanted by several services (an address that two pods' services share);
    it stays until the last one is gone, and the first one decides its value.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._fragments: dict[str, Fragment] = {}
        self._owners: dict[Element, dict[str, str]] = {}

    def full(self) -> str:
        """Commands that make the whole table anew."""
        commands = base_table(self.settings)
        known = self._fragments
        self._fragments, self._owners = {}, {}
        commands += self.change(known)
        return "\n".join(commands) + "\n"

    def change(self, changed: dict[str, Fragment]) -> list[str]:
        """Takes contributors' new fragments; returns the commands, in an order the kernel accepts."""
        add: list[str] = []
        fill: list[str] = []
        last: list[str] = []
        table = f"{self.settings.nft_family} {self.settings.table}"
        before: dict[Element, str | None] = {}
        for owner, new in changed.items():
            old = self._fragments.get(owner, Fragment())
            _diff_objects(table, old, new, add, fill, last)
            self._own(owner, old, new, before)
            if new.chains or new.elements or new.sets:
                self._fragments[owner] = new
            else:
                self._fragments.pop(owner, None)
        removed, added = self._diff_elements(before)
        elements = [f"delete element {table} {name} {{ {', '.join(keys)} }}" for name, keys in removed.items()]
        elements += [f"add element {table} {name} {{ {', '.join(keys)} }}" for name, keys in added.items()]
        # Chains exist before rules and elements name them, and go after nothing does.
        return [*add, *fill, *elements, *last]

    def _own(self, owner: str, old: Fragment, new: Fragment, before: dict[Element, str | None]) -> None:
        for element in old.elements.keys() | new.elements.keys():
            owners = self._owners.setdefault(element, {})
            before.setdefault(element, next(iter(owners.values()), None))
            if element in new.elements:
                owners[owner] = new.elements[element]
            else:
                owners.pop(owner, None)

    def _diff_elements(self, before: dict[Element, str | None]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        removed: dict[str, list[str]] = {}
        added: dict[str, list[str]] = {}
        for element, was in before.items():
            owners = self._owners[element]
            now = next(iter(owners.values()), None)
            if not owners:
                del self._owners[element]
            if was == now:
                continue
            name, key = element
            if was is not None:
                removed.setdefault(name, []).append(key)
            if now is not None:
                added.setdefault(name, []).append(f"{key} : {now}" if now else key)
        return removed, added


def _diff_objects(table: str, old: Fragment, new: Fragment, add: list[str], fill: list[str], last: list[str]) -> None:
    for name, (kind, spec) in new.sets.items():
        if name not in old.sets:
            add.append(f"add {kind} {table} {name} {{ {spec} }}")
    for name, rules in new.chains.items():
        if name not in old.chains:
            hook = new.hooks.get(name)
            add.append(f"add chain {table} {name}{f' {{ {hook} }}' if hook else ''}")
        elif old.chains[name] != rules:
            fill.append(f"flush chain {table} {name}")
        else:
            continue
        fill += [f"add rule {table} {name} {rule}" for rule in rules]
    gone = [name for name in old.chains if name not in new.chains]
    # All are emptied before any goes: they refer to one another.
    last[:0] = [f"flush chain {table} {name}" for name in gone]
    last += [f"delete chain {table} {name}" for name in gone]
    last += [f"delete {kind} {table} {name}" for name, (kind, _) in old.sets.items() if name not in new.sets]
