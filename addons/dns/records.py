"""What the cluster's DNS zone says: names of Services, endpoints and pods.

Pure: a question in, records out, following the Kubernetes DNS specification 1.1.0 and,
where it leaves room, CoreDNS. Reads the cluster through `ClusterView`; knows nothing of
packets.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from apimachinery.objects.metadata import Obj

TTL = 5
_SCHEMA_VERSION = "1.1.0"
_FAMILY = {"A": 4, "AAAA": 6}
_REVERSE_SUFFIXES = (".in-addr.arpa", ".ip6.arpa")
_MAX_CHASE = 8


class ClusterView(Protocol):
    """The part of the cluster that names come from."""

    def service(self, namespace: str, name: str) -> Obj | None:
        """A Service."""

    def slices(self, namespace: str, name: str) -> list[Obj]:
        """The EndpointSlices of a Service."""

    def has_services(self, namespace: str) -> bool:
        """Whether the namespace has any Service."""

    def services_at(self, address: str) -> list[Obj]:
        """Services with this cluster address."""

    def slices_at(self, address: str) -> list[Obj]:
        """EndpointSlices with this endpoint address."""


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record; `data` is an address, a name, a text, or `priority weight port target`."""

    name: str
    kind: str
    data: str
    ttl: int = TTL


@dataclass(slots=True)
class Answer:
    """What the zone says to a question.

    Attributes:
        exists: whether the name exists; False is NXDOMAIN.
        forward: a name outside the zone that an alias leads to, to be asked elsewhere.
    """

    exists: bool = True
    records: list[Record] = field(default_factory=list)
    additional: list[Record] = field(default_factory=list)
    forward: str = ""


@dataclass(frozen=True, slots=True)
class _Address:
    """An endpoint address with its host name and ports."""

    address: str
    hostname: str
    ports: tuple[tuple[str, str, int], ...]


class Zone:
    """Answers for the cluster's domain and the reverse names of its addresses.

    Args:
        domain: the cluster domain, as `cluster.local`.
        address: the address of the DNS itself.
        view: where names come from.
    """

    def __init__(self, domain: str, address: str, view: ClusterView) -> None:
        self.domain = domain.strip(".").lower()
        self._address = address
        self._view = view

    def covers(self, name: str) -> bool:
        """Whether a name (lower case, without the last dot) is this zone's own matter."""
        return name == self.domain or name.endswith(f".{self.domain}")

    def soa(self) -> Record:
        """The zone's SOA, which every negative answer carries."""
        # The serial says nothing here: nobody transfers this zone.
        return Record(self.domain, "SOA", f"ns.dns.{self.domain} hostmaster.{self.domain} 1 7200 1800 86400 {TTL}")

    def reverse(self, name: str) -> Answer | None:
        """Answers a reverse name, or None when the address is not ours."""
        if not name.endswith(_REVERSE_SUFFIXES) or (address := _reverse_address(name)) is None:
            return None
        names = [
            f"{s['metadata']['name']}.{s['metadata']['namespace']}.svc.{self.domain}"
            for s in self._view.services_at(address)
        ]
        if not names:
            names = list(self._endpoint_names(address))
        return Answer(records=[Record(name, "PTR", target) for target in names]) if names else None

    def _endpoint_names(self, address: str) -> Iterator[str]:
        for endpoint_slice in self._view.slices_at(address):
            meta = endpoint_slice["metadata"]
            service = (meta.get("labels") or {}).get("kubernetes.io/service-name")
            for endpoint in endpoint_slice.get("endpoints") or ():
                if service and address in endpoint.get("addresses", ()):
                    host = endpoint.get("hostname") or _dashed(address)
                    yield f"{host}.{service}.{meta['namespace']}.svc.{self.domain}"

    def answer(self, name: str, kind: str) -> Answer:
        """Answers a question about a covered name (lower case, without the last dot)."""
        labels = name[: -len(self.domain) - 1].split(".") if name != self.domain else []
        match labels:
            case []:
                return self._apex(name, kind)
            case ["dns-version"]:
                return Answer(records=_only(kind, Record(name, "TXT", _SCHEMA_VERSION)))
            case ["dns"] | ["svc"] | ["pod"]:
                return Answer()
            case ["ns", "dns"]:
                return Answer(records=_only(kind, Record(name, "A", self._address)))
            case [*rest, "svc"]:
                return self._in_services(rest, name, kind)
            case [dashed, _, "pod"]:
                return _pod(dashed, name, kind)
            case [namespace, "pod"]:
                return Answer(exists=self._view.has_services(namespace))
        return Answer(exists=False)

    def _apex(self, name: str, kind: str) -> Answer:
        if kind == "SOA":
            return Answer(records=[self.soa()])
        if kind == "NS":
            target = f"ns.dns.{self.domain}"
            return Answer(records=[Record(name, "NS", target)], additional=[Record(target, "A", self._address)])
        return Answer()

    def _in_services(self, labels: list[str], name: str, kind: str) -> Answer:
        if len(labels) == 1:
            return Answer(exists=self._view.has_services(labels[0]))
        *host, service_name, namespace = labels
        service = self._view.service(namespace, service_name)
        if service is None:
            return Answer(exists=False)
        spec = service.get("spec") or {}
        if spec.get("type") == "ExternalName":
            return self._alias(name, kind, str(spec.get("externalName") or "")) if not host else Answer(exists=False)
        if not host:
            return Answer(
                records=[*self._service_addresses(service, name, kind), *self._all_ports(service, name, kind)]
            )
        if len(host) == 2 and host[0].startswith("_") and host[1].startswith("_"):
            return self._service_port(service, name, kind, host[0][1:], host[1][1:])
        if len(host) == 1 and _is_headless(service):
            found = [a for a in self._addresses(service) if host[0] in (a.hostname, _dashed(a.address))]
            return Answer(exists=bool(found), records=_address_records(name, kind, (a.address for a in found)))
        return Answer(exists=False)

    def _service_addresses(self, service: Obj, name: str, kind: str) -> list[Record]:
        if _is_headless(service):
            return _address_records(name, kind, (a.address for a in self._addresses(service)))
        spec = service["spec"]
        return _address_records(name, kind, spec.get("clusterIPs") or [spec.get("clusterIP", "")])

    def _all_ports(self, service: Obj, name: str, kind: str) -> list[Record]:
        """SRV asked for the service's own name gives every port, as CoreDNS does."""
        if kind != "SRV":
            return []
        if _is_headless(service):
            targets = [(a, number) for a in self._addresses(service) for _, _, number in a.ports]
            return [Record(name, "SRV", f"0 100 {number} {self._host(service, a)}") for a, number in targets]
        return [Record(name, "SRV", f"0 100 {p['port']} {name}") for p in service["spec"].get("ports") or ()]

    def _service_port(self, service: Obj, name: str, kind: str, port: str, protocol: str) -> Answer:
        wanted = (port, protocol)
        meta = service["metadata"]
        answer = Answer(exists=False)
        if _is_headless(service):
            for address in self._addresses(service):
                for port_name, port_protocol, number in address.ports:
                    if (port_name, port_protocol) == wanted:
                        target = self._host(service, address)
                        answer.exists = True
                        answer.records += _only(kind, Record(name, "SRV", f"0 100 {number} {target}"))
                        answer.additional += _glue(target, [address.address])
        else:
            target = f"{meta['name']}.{meta['namespace']}.svc.{self.domain}"
            for item in service["spec"].get("ports") or ():
                if (item.get("name") or "", (item.get("protocol") or "TCP").lower()) == wanted:
                    answer.exists = True
                    answer.records += _only(kind, Record(name, "SRV", f"0 100 {item['port']} {target}"))
                    answer.additional += _glue(target, service["spec"].get("clusterIPs") or ())
        if not answer.records:
            answer.additional = []
        return answer

    def _host(self, service: Obj, address: _Address) -> str:
        meta = service["metadata"]
        host = address.hostname or _dashed(address.address)
        return f"{host}.{meta['name']}.{meta['namespace']}.svc.{self.domain}"

    def _addresses(self, service: Obj) -> list[_Address]:
        meta = service["metadata"]
        found: dict[str, _Address] = {}
        for endpoint_slice in self._view.slices(meta["namespace"], meta["name"]):
            ports = tuple(
                (p.get("name") or "", (p.get("protocol") or "TCP").lower(), int(p.get("port") or 0))
                for p in endpoint_slice.get("ports") or ()
            )
            for endpoint in endpoint_slice.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is False:
                    continue
                for address in endpoint.get("addresses") or ():
                    known = found.get(address)
                    merged = tuple(dict.fromkeys((*(known.ports if known else ()), *ports)))
                    found[address] = _Address(address, endpoint.get("hostname") or "", merged)
        return list(found.values())

    def _alias(self, name: str, kind: str, target: str, depth: int = 0) -> Answer:
        """ExternalName: the alias, and what it leads to when that is ours too."""
        target = target.rstrip(".").lower()
        answer = Answer(records=[Record(name, "CNAME", target)])
        if kind == "CNAME" or depth > _MAX_CHASE:
            return answer
        if not self.covers(target):
            answer.forward = target
            return answer
        labels = target[: -len(self.domain) - 1].split(".")
        if len(labels) == 3 and labels[2] == "svc":
            spec = (self._view.service(labels[1], labels[0]) or {}).get("spec") or {}
            if spec.get("type") == "ExternalName":
                more = self._alias(target, kind, str(spec.get("externalName") or ""), depth + 1)
                answer.records += more.records
                answer.forward = more.forward
                return answer
        answer.records += self.answer(target, kind).records
        return answer


def _is_headless(service: Obj) -> bool:
    return (service.get("spec") or {}).get("clusterIP") in (None, "", "None")


def _only(kind: str, record: Record) -> list[Record]:
    return [record] if kind in (record.kind, "ANY") else []


def _address_records(name: str, kind: str, addresses: Iterable[str]) -> list[Record]:
    kinds = ("A", "AAAA") if kind == "ANY" else (kind,)
    return [
        Record(name, one, address)
        for address in addresses
        for one in kinds
        if one in _FAMILY and (":" in address) == (one == "AAAA") and address not in ("", "None")
    ]


def _glue(name: str, addresses: Iterable[str]) -> list[Record]:
    return [Record(name, "AAAA" if ":" in address else "A", address) for address in addresses]


def _dashed(address: str) -> str:
    return address.replace(".", "-").replace(":", "-")


def _pod(dashed: str, name: str, kind: str) -> Answer:
    """`10-244-0-5.namespace.pod`: the address is in the name itself."""
    for text in (dashed.replace("-", "."), dashed.replace("-", ":")):
        try:
            address = str(ipaddress.ip_address(text))
        except ValueError:
            continue
        return Answer(records=_address_records(name, kind, [address]))
    return Answer(exists=False)


def _reverse_address(name: str) -> str | None:
    labels = name.split(".")[:-2]
    labels.reverse()
    try:
        if name.endswith(".in-addr.arpa"):
            return str(ipaddress.IPv4Address(".".join(labels)))
        digits = "".join(labels)
        return str(ipaddress.IPv6Address(":".join(digits[i : i + 4] for i in range(0, 32, 4))))
    except ValueError:
        return None
