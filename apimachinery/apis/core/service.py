"""Service."""

from apimachinery.apis.field_rules import (
    Errors,
    cidr,
    endpoint_address,
    ip_address,
    obeys,
    one_of,
    optional_one_of,
    port_number,
    port_or_name,
)
from apimachinery.apis.object_meta import IMMUTABLE, validate_labels
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, forbidden, invalid, required
from apimachinery.objects.metadata import Obj

_AFFINITY_SECONDS = 10800


def apply_defaults(obj: Obj) -> None:
    """Fill in a Service, in place."""
    spec = obj.setdefault("spec", {})
    if not spec.get("sessionAffinity"):
        spec["sessionAffinity"] = "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {})
        client = config.setdefault("clientIP", {})
        client.setdefault("timeoutSeconds", _AFFINITY_SECONDS)
    if not spec.get("type"):
        spec["type"] = "ClusterIP"
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port")
    kind = spec["type"]
    external = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs"))
    if external and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if kind != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    status = obj.setdefault("status", {})
    balancer = status.setdefault("loadBalancer", {})
    for ingress in balancer.get("ingress") or ():
        if ingress.get("ip"):
            ingress.setdefault("ipMode", "VIP")


_SPEC = FieldPath("spec")
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
_WITHOUT_ADDRESS = ("loadBalancerIP", "externalIPs")
_MOST_ADDRESSES = 2
_MOST_AFFINITY_SECONDS = 86400


def validate(obj: Obj) -> Errors:
    """What is wrong with a Service."""
    spec = obj.get("spec") or {}
    kind = spec.get("type")
    headless = spec.get("clusterIP") == "None"
    errors: Errors = []
    ports = spec.get("ports") or []
    if not ports and not headless and kind != "ExternalName":
        errors.append(required(_SPEC.child("ports")))
    errors.extend(_by_type(spec))
    errors.extend(_ports(ports, kind))
    errors.extend(validate_labels(spec.get("selector"), _SPEC.child("selector")))
    errors.extend(one_of(spec.get("sessionAffinity"), _SPEC.child("sessionAffinity"), ("ClientIP", "None")))
    errors.extend(_affinity(spec))
    errors.extend(one_of(kind, _SPEC.child("type"), _TYPES))
    errors.extend(_addresses(spec))
    errors.extend(_balancer(spec))
    errors.extend(optional_one_of(spec.get("trafficDistribution"), _SPEC.child("trafficDistribution"), _DISTRIBUTIONS))
    for field in ("externalTrafficPolicy", "internalTrafficPolicy"):
        errors.extend(optional_one_of(spec.get(field), _SPEC.child(field), ("Cluster", "Local")))
    errors.extend(optional_one_of(spec.get("ipFamilyPolicy"), _SPEC.child("ipFamilyPolicy"), _FAMILY_POLICIES))
    return errors


def _addresses(spec: Obj) -> Errors:
    errors: Errors = []
    kind = spec.get("type")
    here = _SPEC.child("clusterIPs")
    if spec.get("clusterIP") == "None" and kind in ("NodePort", "LoadBalancer"):
        errors.append(invalid(here.index(0), "None", f"may not be set to 'None' for {kind} services"))
    addresses = spec.get("clusterIPs") or []
    for position, address in enumerate(addresses):
        if address != "None":
            errors.extend(ip_address(address, here.index(position)))
    if not addresses and spec.get("clusterIP") not in (None, "", "None"):
        errors.extend(ip_address(spec["clusterIP"], here.index(0)))
    if addresses and spec.get("clusterIP") and spec["clusterIP"] != addresses[0]:
        errors.append(invalid(here, addresses, "first value must match `clusterIP`"))
    for position, address in enumerate(spec.get("externalIPs") or ()):
        errors.extend(endpoint_address(address, _SPEC.child("externalIPs").index(position)))
    return [*errors, *_families(spec, addresses, here)]


def _balancer(spec: Obj) -> Errors:
    """What only a load balancer may have."""
    errors: Errors = []
    balanced = spec.get("type") == "LoadBalancer"
    told = "may only be used when `type` is 'LoadBalancer'"
    for field in ("loadBalancerSourceRanges", "allocateLoadBalancerNodePorts", "loadBalancerClass"):
        if spec.get(field) is not None and not balanced:
            errors.append(forbidden(_SPEC.child(field), told))
    for position, one in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        errors.extend(cidr(one.strip(), _SPEC.child("loadBalancerSourceRanges").index(position)))
    errors.extend(obeys(spec.get("loadBalancerClass"), _SPEC.child("loadBalancerClass"), names.qualified_name_problems))
    check = spec.get("healthCheckNodePort")
    if check and not (balanced and spec.get("externalTrafficPolicy") == "Local"):
        told = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        errors.append(invalid(_SPEC.child("healthCheckNodePort"), check, told))
    return errors


def _families(spec: Obj, addresses: list[str], here: FieldPath) -> Errors:
    errors: Errors = []
    given = [one for one in addresses if one != "None"]
    if len(addresses) > _MOST_ADDRESSES:
        errors.append(invalid(here, addresses, "may only hold up to 2 values"))
    elif len(given) == _MOST_ADDRESSES and (":" in given[0]) == (":" in given[1]):
        errors.append(invalid(here, addresses, "may specify no more than one IP for each IP family"))
    families = spec.get("ipFamilies") or []
    for position, family in enumerate(families):
        where = _SPEC.child("ipFamilies").index(position)
        errors.extend(optional_one_of(family, where, ("IPv4", "IPv6")))
        if family in families[:position]:
            errors.append(duplicate(where, family))
    return errors


def _by_type(spec: Obj) -> Errors:
    kind = spec.get("type")
    if kind != "ExternalName":
        if spec.get("externalTrafficPolicy") and kind == "ClusterIP" and not spec.get("externalIPs"):
            told = "may only be set for externally-accessible services"
            return [invalid(_SPEC.child("externalTrafficPolicy"), spec["externalTrafficPolicy"], told)]
        return []
    name = spec.get("externalName")
    if not name:
        return [required(_SPEC.child("externalName"))]
    problems = names.dns1123_subdomain_problems(name.removesuffix("."))
    errors = [invalid(_SPEC.child("externalName"), name, problem) for problem in problems]
    if spec.get("clusterIP"):
        told = "may not be set for ExternalName services"
        errors.append(invalid(_SPEC.child("clusterIPs").index(0), spec["clusterIP"], told))
    return errors


def _ports(ports: list[Obj], kind: str | None) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    pairs: set[tuple[str, int]] = set()
    for position, port in enumerate(ports):
        here = _SPEC.child("ports").index(position)
        name = port.get("name")
        if len(ports) > 1 and not name:
            errors.append(required(here.child("name")))
        elif name:
            errors.extend(invalid(here.child("name"), name, problem) for problem in names.dns1123_label_problems(name))
            if name in seen:
                errors.append(duplicate(here.child("name"), name))
            seen.add(name)
        number, protocol = port.get("port") or 0, port.get("protocol") or ""
        errors.extend(port_number(number, here.child("port")))
        errors.extend(one_of(protocol, here.child("protocol"), ("SCTP", "TCP", "UDP")))
        errors.extend(obeys(port.get("appProtocol"), here.child("appProtocol"), names.qualified_name_problems))
        errors.extend(port_or_name(port.get("targetPort"), here.child("targetPort")))
        if (protocol, number) in pairs:
            errors.append(duplicate(here, {"protocol": protocol, "port": number}))
        pairs.add((protocol, number))
    return [*errors, *_node_ports(ports, kind)]


def _node_ports(ports: list[Obj], kind: str | None) -> Errors:
    errors: Errors = []
    taken: set[tuple[str, int]] = set()
    for position, port in enumerate(ports):
        number = port.get("nodePort")
        if not number:
            continue
        here = _SPEC.child("ports").index(position).child("nodePort")
        if kind in ("ClusterIP", "ExternalName"):
            errors.append(forbidden(here, "may not be used when `type` is 'ClusterIP'"))
        elif (port.get("protocol", ""), number) in taken:
            errors.append(duplicate(here, number))
        taken.add((port.get("protocol", ""), number))
    return errors


def _affinity(spec: Obj) -> Errors:
    if spec.get("sessionAffinity") != "ClientIP":
        if spec.get("sessionAffinityConfig") is None:
            return []
        told = "must not be set when session affinity is None"
        return [forbidden(_SPEC.child("sessionAffinityConfig"), told)]
    seconds = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds")
    here = _SPEC.child("sessionAffinityConfig", "clientIP", "timeoutSeconds")
    if seconds is None:
        return [required(here)]
    if not 0 < seconds <= _MOST_AFFINITY_SECONDS:
        return [invalid(here, seconds, f"must be greater than 0 and less than {_MOST_AFFINITY_SECONDS}")]
    return []


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a Service that replaces another: it keeps its address while it has one."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    if after == before:
        return []
    errors = validate(new)
    if "ExternalName" not in (after.get("type"), before.get("type")):
        now, was = after.get("clusterIP"), before.get("clusterIP")
        if was and now != was:
            errors.append(invalid(_SPEC.child("clusterIPs").index(0), now or "", "may not change once set"))
    if after.get("type") == before.get("type") == "LoadBalancer":
        for field, told in (("loadBalancerClass", "may not change once set"), ("healthCheckNodePort", IMMUTABLE)):
            if before.get(field) and after.get(field) != before[field]:
                errors.append(invalid(_SPEC.child(field), after.get(field), told))
    return errors


def warnings(obj: Obj) -> list[str]:
    """What is to be said of a headless Service."""
    spec = obj.get("spec") or {}
    if spec.get("clusterIP") != "None":
        return []
    told = [f"spec.{field} is ignored for headless services" for field in _WITHOUT_ADDRESS if spec.get(field)]
    if spec.get("sessionAffinity") != "None":
        told.append("spec.SessionAffinity is ignored for headless services")
    return told
