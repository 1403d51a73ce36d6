"""ServiceCIDR."""

from apimachinery.apis.field_rules import Errors, cidr
from apimachinery.objects.field_path import FieldPath, invalid, required
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a ServiceCIDR, in place."""
    obj.setdefault("spec", {})
    obj.setdefault("status", {})


_CIDRS = FieldPath("spec.cidrs")


def validate(obj: Obj) -> Errors:
    """What is wrong with a ServiceCIDR."""
    networks = (obj.get("spec") or {}).get("cidrs") or []
    if not networks:
        return [required(_CIDRS, "at least one CIDR required")]
    errors: Errors = []
    if len(networks) > 2:
        errors.append(invalid(_CIDRS, networks, "may only hold up to 2 values"))
    for position, network in enumerate(networks):
        errors.extend(cidr(network, _CIDRS.index(position)))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a ServiceCIDR that replaces another."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    if after.get("cidrs") == before.get("cidrs"):
        return []
    return [*validate(new), invalid(_CIDRS, after.get("cidrs"), "field is immutable")]
