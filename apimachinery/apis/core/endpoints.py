"""Endpoints."""

from apimachinery.apis.field_rules import Errors, endpoint_address, one_of, port_number
from apimachinery.objects.field_path import FieldPath, required
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in Endpoints, in place."""
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def validate(obj: Obj) -> Errors:
    """What is wrong with Endpoints."""
    errors: Errors = []
    for position, subset in enumerate(obj.get("subsets") or ()):
        here = FieldPath("subsets").index(position)
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            errors.append(required(here, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for index, address in enumerate(subset.get(field) or ()):
                errors.extend(endpoint_address(address.get("ip"), here.child(field).index(index).child("ip")))
        ports = subset.get("ports") or ()
        for index, port in enumerate(ports):
            where = here.child("ports").index(index)
            if len(ports) > 1 and not port.get("name"):
                errors.append(required(where.child("name")))
            errors.extend(port_number(port.get("port"), where.child("port")))
            errors.extend(one_of(port.get("protocol"), where.child("protocol"), ("SCTP", "TCP", "UDP")))
    return errors
