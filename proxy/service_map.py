"""Services and EndpointSlices, joined into service ports with their endpoints.

Pure. A `ServicePort` is one port of one Service in one IP family: what the rules are
made from. Headless and ExternalName Services have none; neither have Services that
another proxy claims by label.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apimachinery.objects.metadata import Obj

SERVICE_NAME = "kubernetes.io/service-name"
PROXY_NAME = "service.kubernetes.io/service-proxy-name"
HEADLESS = "service.kubernetes.io/headless"
_DEFAULT_AFFINITY_SECONDS = 10800


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One address that serves a port."""

    address: str
    port: int
    local: bool


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service and where its traffic goes.

    Attributes:
        endpoints: who gets traffic under the policy `Cluster`.
        local_endpoints: who gets it under the policy `Local`.
        affinity_seconds: how long a client sticks to an endpoint; 0 for not at all.
    """

    service: str
    name: str
    protocol: str
    cluster_ip: str
    port: int
    node_port: int = 0
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    affinity_seconds: int = 0
    internal_local: bool = False
    external_local: bool = False
    endpoints: tuple[Endpoint, ...] = ()
    local_endpoints: tuple[Endpoint, ...] = ()
    health_check_port: int = 0

    @property
    def key(self) -> str:
        """`namespace/name/protocol/port name`, unique in a family."""
        return f"{self.service}/{self.protocol}/{self.name}"

    @property
    def all_endpoints(self) -> tuple[Endpoint, ...]:
        """Endpoints of either policy, each once."""
        return tuple(dict.fromkeys((*self.endpoints, *self.local_endpoints)))

    @property
    def external_addresses(self) -> tuple[str, ...]:
        """Addresses from outside, other than the node's own."""
        return tuple(dict.fromkeys((*self.external_ips, *self.load_balancer_ips)))


@dataclass(slots=True)
class _Found:
    """Endpoints of one port, by how fit they are."""

    ready: set[Endpoint] = field(default_factory=set)
    terminating: set[Endpoint] = field(default_factory=set)

    def usable(self, *, local_only: bool) -> tuple[Endpoint, ...]:
        """Ready endpoints; when there are none, those that still serve while they end (KEP-1669)."""
        for group in (self.ready, self.terminating):
            chosen = sorted(e for e in group if e.local or not local_only)
            if chosen:
                return tuple(chosen)
        return ()


def is_proxied(service: Obj) -> bool:
    """Whether this proxy makes rules for the Service."""
    spec = service.get("spec") or {}
    return (
        spec.get("type") != "ExternalName"
        and spec.get("clusterIP") not in (None, "", "None")
        and PROXY_NAME not in (service["metadata"].get("labels") or {})
    )


def service_ports(service: Obj, slices: Iterable[Obj], node_name: str, family: int = 4) -> tuple[ServicePort, ...]:
    """The ports of a Service in one IP family.

    Args:
        service: the Service.
        slices: its EndpointSlices.
        node_name: endpoints on this node are local.
        family: 4 or 6.
    """
    if not is_proxied(service):
        return ()
    spec = service["spec"]
    addresses = _of_family(spec.get("clusterIPs") or [spec["clusterIP"]], family)
    if not addresses:
        return ()
    found = _endpoints(slices, node_name, family)
    made = []
    for raw in spec.get("ports") or ():
        port = _service_port(service, raw, addresses[0], family, found.get(raw.get("name") or "", _Found()))
        # An endpoint that is the cluster address itself (the cluster's DNS on the node) is
        # reached without any help from us.
        if any(e.address == port.cluster_ip and e.port == port.port for e in port.all_endpoints):
            continue
        made.append(port)
    return tuple(made)


def _service_port(service: Obj, raw: dict[str, Any], address: str, family: int, found: _Found) -> ServicePort:
    meta, spec = service["metadata"], service["spec"]
    affinity = 0
    if spec.get("sessionAffinity") == "ClientIP":
        config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        affinity = int(config.get("timeoutSeconds") or _DEFAULT_AFFINITY_SECONDS)
    return ServicePort(
        service=f"{meta['namespace']}/{meta['name']}",
        name=raw.get("name") or "",
        protocol=(raw.get("protocol") or "TCP").lower(),
        cluster_ip=address,
        port=int(raw["port"]),
        node_port=int(raw.get("nodePort") or 0),
        external_ips=tuple(_of_family(spec.get("externalIPs") or (), family)),
        load_balancer_ips=tuple(_of_family(_load_balancer_ips(service), family)),
        source_ranges=tuple(_of_family(spec.get("loadBalancerSourceRanges") or (), family)),
        affinity_seconds=affinity,
        internal_local=spec.get("internalTrafficPolicy") == "Local",
        external_local=spec.get("externalTrafficPolicy") == "Local",
        endpoints=found.usable(local_only=False),
        local_endpoints=found.usable(local_only=True),
        health_check_port=int(spec.get("healthCheckNodePort") or 0),
    )


def _load_balancer_ips(service: Obj) -> list[str]:
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    # ipMode Proxy means that traffic must go through the load balancer even from inside (KEP-1860).
    return [item["ip"] for item in ingress if item.get("ip") and item.get("ipMode") != "Proxy"]


def _of_family(texts: Iterable[str], family: int) -> list[str]:
    kept = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            continue
        if network.version == family:
            kept.append(str(network) if "/" in text else str(network.network_address))
    return kept


def _endpoints(slices: Iterable[Obj], node_name: str, family: int) -> dict[str, _Found]:
    by_port: dict[str, _Found] = {}
    for endpoint_slice in slices:
        if endpoint_slice.get("addressType") != f"IPv{family}":
            continue
        ports = [(p.get("name") or "", int(p["port"])) for p in endpoint_slice.get("ports") or () if p.get("port")]
        for raw in endpoint_slice.get("endpoints") or ():
            conditions = raw.get("conditions") or {}
            is_ready = conditions.get("ready") is not False
            is_ending = conditions.get("serving") is not False and conditions.get("terminating") is True
            if not (is_ready or is_ending) or not raw.get("addresses"):
                continue
            local = raw.get("nodeName") == node_name
            for name, number in ports:
                found = by_port.setdefault(name, _Found())
                group = found.ready if is_ready else found.terminating
                group.add(Endpoint(raw["addresses"][0], number, local))
    return by_port
