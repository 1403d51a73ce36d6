"""NetworkPolicy."""

import ipaddress

from apimachinery.apis.field_rules import Errors, cidr, label_selector, optional_one_of, port_number, port_or_name
from apimachinery.objects.field_path import FieldPath, forbidden, invalid, not_supported, required
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a NetworkPolicy, in place."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


_SPEC = FieldPath("spec")
_MOST_TYPES = 2


def validate(obj: Obj) -> Errors:
    """What is wrong with a NetworkPolicy."""
    spec = obj.get("spec") or {}
    errors = label_selector(spec.get("podSelector"), _SPEC.child("podSelector"))
    for field, peers in (("ingress", "from"), ("egress", "to")):
        for position, rule in enumerate(spec.get(field) or ()):
            here = _SPEC.child(field).index(position)
            for index, port in enumerate(rule.get("ports") or ()):
                errors.extend(_port(port, here.child("ports").index(index)))
            for index, peer in enumerate(rule.get(peers) or ()):
                errors.extend(_peer(peer, here.child(peers).index(index)))
    if len(spec.get("policyTypes") or ()) > _MOST_TYPES:
        told = "may not specify more than two policyTypes"
        return [*errors, invalid(_SPEC.child("policyTypes"), spec["policyTypes"], told)]
    errors.extend(
        not_supported(_SPEC.child("policyTypes").index(position), kind, ("Egress", "Ingress"))
        for position, kind in enumerate(spec.get("policyTypes") or ())
        if kind not in ("Egress", "Ingress")
    )
    return errors


def _port(port: Obj, here: FieldPath) -> Errors:
    errors = optional_one_of(port.get("protocol"), here.child("protocol"), ("SCTP", "TCP", "UDP"))
    if port.get("port") is not None:
        errors.extend(port_or_name(port["port"], here.child("port")))
        last = port.get("endPort")
        if last is not None and type(port["port"]) is not int:
            errors.append(invalid(here.child("endPort"), last, "may not be specified when `port` is non-numeric"))
        elif last is not None:
            errors.extend(port_number(last, here.child("endPort")))
            if last < port["port"]:
                errors.append(invalid(here.child("endPort"), last, "must be greater than or equal to `port`"))
    elif port.get("endPort") is not None:
        errors.append(required(here.child("port"), "must be specified when `endPort` is specified"))
    return errors


def _peer(peer: Obj, here: FieldPath) -> Errors:
    if not peer:
        return [required(here, "must specify a peer")]
    errors: Errors = []
    for field in ("podSelector", "namespaceSelector"):
        errors.extend(label_selector(peer.get(field), here.child(field)))
    block = peer.get("ipBlock")
    if block is not None:
        if len(peer) > 1:
            errors.append(forbidden(here, "may not specify both ipBlock and another peer"))
        errors.extend(_block(block, here.child("ipBlock")))
    return errors


def _block(block: Obj, here: FieldPath) -> Errors:
    if not block.get("cidr"):
        return [required(here.child("cidr"))]
    errors = cidr(block["cidr"], here.child("cidr"))
    if errors:
        return errors
    whole = ipaddress.ip_network(block["cidr"], strict=False)
    for position, one in enumerate(block.get("except") or ()):
        where = here.child("except").index(position)
        wrong = cidr(one, where)
        if not wrong:
            part = ipaddress.ip_network(one, strict=False)
            inside = part.version == whole.version and part.network_address in whole
            if not inside or part.prefixlen <= whole.prefixlen:
                wrong = [invalid(where, one, "must be a strict subset of `cidr`")]
        errors.extend(wrong)
    return errors
