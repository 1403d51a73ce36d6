"""ServiceCIDR."""

from apimachinery.apis.field_rules import Errors, canonical_cidr
from apimachinery.apis.object_meta import IMMUTABLE
from apimachinery.objects.field_path import FieldPath, invalid, required
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a ServiceCIDR, in place."""
    obj.setdefault("spec", {})
    obj.setdefault("status", {})


_CIDRS = FieldPath("spec.cidrs")
_MOST = 2


def validate(obj: Obj) -> Errors:
    """What is wrong with a ServiceCIDR."""
    return _networks((obj.get("spec") or {}).get("cidrs") or [])


def _networks(networks: list[str]) -> Errors:
    if not networks:
        return [required(_CIDRS, "at least one CIDR required")]
    if len(networks) > _MOST:
        return [invalid(_CIDRS, networks, "may only hold up to 2 values")]
    if len(networks) == _MOST and (":" in networks[0]) == (":" in networks[1]):
        why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/96"
        return [invalid(_CIDRS, networks, why)]
    errors: Errors = []
    for position, network in enumerate(networks):
        errors.extend(canonical_cidr(network, _CIDRS.index(position)))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a ServiceCIDR that replaces another: a second family may be added, nothing else."""
    after, before = ((one.get("spec") or {}).get("cidrs") or [] for one in (new, old))
    if len(after) == len(before):
        changed = [position for position, pair in enumerate(zip(after, before, strict=True)) if pair[0] != pair[1]]
        return [invalid(_CIDRS.index(position), after[position], IMMUTABLE) for position in changed]
    if len(before) == 1 and len(after) == _MOST:
        if after[0] != before[0]:
            return [invalid(_CIDRS.index(0), after[0], IMMUTABLE)]
        return _networks(after)
    if len(before) == _MOST and len(after) == 1:
        return [invalid(_CIDRS, after[0], IMMUTABLE)]
    return [invalid(_CIDRS, after, "invalid service CIDR update")]
