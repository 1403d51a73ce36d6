"""EndpointSlice."""

from apimachinery.apis.field_rules import Errors, ip_address, obeys, one_of, optional_one_of, unchanged
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, required, too_many
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


_MOST = 1000


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
        for index, address in enumerate(endpoint.get("addresses") or ()):
            if kind != "FQDN":
                errors.extend(ip_address(address, here.index(index)))
    seen: set[str] = set()
    for position, port in enumerate(obj.get("ports") or ()):
        here = FieldPath("ports").index(position)
        name = port.get("name") or ""
        errors.extend(obeys(name, here.child("name"), names.dns1123_label_problems))
        if name in seen:
            errors.append(duplicate(here.child("name"), name))
        seen.add(name)
        errors.extend(optional_one_of(port.get("protocol"), here.child("protocol"), ("SCTP", "TCP", "UDP")))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with an EndpointSlice that replaces another."""
    return [*validate(new), *unchanged(new.get("addressType"), old.get("addressType"), FieldPath("addressType"))]
