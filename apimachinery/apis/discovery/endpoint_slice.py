"""EndpointSlice."""

from apimachinery.apis.field_rules import Errors, endpoint_address, obeys, one_of, optional_one_of, unchanged
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, invalid, required, too_many
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in an EndpointSlice, in place."""
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")
    for endpoint in obj.get("endpoints") or ():
        endpoint.setdefault("conditions", {})
    obj.setdefault("endpoints", None)
    obj.setdefault("ports", None)


_MOST, _MOST_ADDRESSES, _MOST_PORTS, _MOST_TOPOLOGY = 1000, 100, 20000, 16


def validate(obj: Obj) -> Errors:
    """What is wrong with an EndpointSlice."""
    kind = obj.get("addressType")
    errors = one_of(kind, FieldPath("addressType"), ("FQDN", "IPv4", "IPv6"))
    endpoints = obj.get("endpoints") or []
    if len(endpoints) > _MOST:
        errors.append(too_many(FieldPath("endpoints"), len(endpoints), _MOST))
    for position, endpoint in enumerate(endpoints):
        here = FieldPath("endpoints").index(position).child("addresses")
        if not endpoint.get("addresses"):
            errors.append(required(here, "must contain at least 1 address"))
        elif len(endpoint["addresses"]) > _MOST_ADDRESSES:
            errors.append(too_many(here, len(endpoint["addresses"]), _MOST_ADDRESSES))
        errors.extend(_endpoint(endpoint, FieldPath("endpoints").index(position)))
        for index, address in enumerate(endpoint.get("addresses") or ()):
            where = here.index(index)
            if kind == "FQDN":
                errors.extend(obeys(address, where, names.dns1123_subdomain_problems))
                continue
            wrong = endpoint_address(address, where)
            if not wrong and (":" in address) != (kind == "IPv6"):
                wrong = [invalid(where, address, f"must be a valid {kind} address")]
            errors.extend(wrong)
    ports = obj.get("ports") or []
    if len(ports) > _MOST_PORTS:
        errors.append(too_many(FieldPath("ports"), len(ports), _MOST_PORTS))
    seen: set[str] = set()
    for position, port in enumerate(obj.get("ports") or ()):
        here = FieldPath("ports").index(position)
        name = port.get("name") or ""
        errors.extend(obeys(name, here.child("name"), names.dns1123_label_problems))
        if name in seen:
            errors.append(duplicate(here.child("name"), name))
        seen.add(name)
        errors.extend(obeys(port.get("appProtocol"), here.child("appProtocol"), names.qualified_name_problems))
        errors.extend(optional_one_of(port.get("protocol"), here.child("protocol"), ("SCTP", "TCP", "UDP")))
    return errors


def _endpoint(endpoint: Obj, here: FieldPath) -> Errors:
    errors = obeys(endpoint.get("hostname"), here.child("hostname"), names.dns1123_label_problems)
    errors.extend(obeys(endpoint.get("nodeName"), here.child("nodeName"), names.dns1123_subdomain_problems))
    topology = endpoint.get("deprecatedTopology") or {}
    if len(topology) > _MOST_TOPOLOGY:
        errors.append(too_many(here.child("deprecatedTopology"), len(topology), _MOST_TOPOLOGY))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with an EndpointSlice that replaces another."""
    return [*validate(new), *unchanged(new.get("addressType"), old.get("addressType"), FieldPath("addressType"))]
