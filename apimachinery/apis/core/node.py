"""Node."""

from apimachinery.apis.field_rules import Errors, cidr, one_of
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, forbidden, invalid
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a Node, in place: what is not said to be reserved is allocatable."""
    obj.setdefault("spec", {})
    status = obj.setdefault("status", {})
    capacity = status.get("capacity")
    if capacity and not status.get("allocatable"):
        status["allocatable"] = dict(capacity)
    status.setdefault("daemonEndpoints", {}).setdefault("kubeletEndpoint", {"Port": 0})


_SPEC = FieldPath("spec")
_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")


def validate(obj: Obj) -> Errors:
    """What is wrong with a Node."""
    spec = obj.get("spec") or {}
    errors: Errors = []
    seen: set[tuple[str, str]] = set()
    for position, taint in enumerate(spec.get("taints") or ()):
        here = _SPEC.child("taints").index(position)
        key, effect = taint.get("key") or "", taint.get("effect") or ""
        errors.extend(invalid(here.child("key"), key, problem) for problem in names.qualified_name_problems(key))
        value = taint.get("value") or ""
        errors.extend(invalid(here.child("value"), value, problem) for problem in names.label_value_problems(value))
        errors.extend(one_of(effect, here.child("effect"), _EFFECTS))
        if (key, effect) in seen:
            errors.append(duplicate(here, taint))
        seen.add((key, effect))
    for position, network in enumerate(spec.get("podCIDRs") or ()):
        errors.extend(cidr(network, _SPEC.child("podCIDRs").index(position)))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a Node that replaces another."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    if after == before:
        return []
    errors = validate(new)
    networks = before.get("podCIDRs")
    if networks and after.get("podCIDRs") != networks:
        told = 'node updates may not change podCIDR except from "" to valid'
        errors.append(forbidden(_SPEC.child("podCIDRs"), told))
    if before.get("providerID") and after.get("providerID") != before["providerID"]:
        told = 'node updates may not change providerID except from "" to valid'
        errors.append(forbidden(_SPEC.child("providerID"), told))
    return errors
