"""FlowSchema and PriorityLevelConfiguration."""

from apimachinery.apis.field_rules import Errors, one_of
from apimachinery.objects.field_path import FieldPath, forbidden, invalid, required
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a flow schema or priority level, in place."""
    spec = obj.setdefault("spec", {})
    obj.setdefault("status", {})
    if obj.get("kind") == "FlowSchema":
        if not spec.get("matchingPrecedence"):
            spec["matchingPrecedence"] = 1000
        return
    if "exempt" in spec or spec.get("type") == "Exempt":
        exempt = spec.setdefault("exempt", {})
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)
    limited = spec.get("limited")
    if limited is not None:
        limited.setdefault("nominalConcurrencyShares", 30)
        limited.setdefault("lendablePercent", 0)
        queuing = (limited.get("limitResponse") or {}).get("queuing")
        if queuing is not None:
            for field, value in (("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)):
                if not queuing.get(field):
                    queuing[field] = value


_SPEC = FieldPath("spec")
_MOST_PRECEDENCE = 10000


def validate(obj: Obj) -> Errors:
    """What is wrong with a flow schema or priority level."""
    spec = obj.get("spec") or {}
    return _flow_schema(spec) if obj.get("kind") == "FlowSchema" else _level(spec)


def _flow_schema(spec: Obj) -> Errors:
    errors: Errors = []
    precedence = spec.get("matchingPrecedence") or 0
    here = _SPEC.child("matchingPrecedence")
    if precedence <= 0:
        errors.append(invalid(here, precedence, "must be a positive value"))
    elif precedence > _MOST_PRECEDENCE:
        errors.append(invalid(here, precedence, f"must not be greater than {_MOST_PRECEDENCE}"))
    if not (spec.get("priorityLevelConfiguration") or {}).get("name"):
        errors.append(required(_SPEC.child("priorityLevelConfiguration", "name"), "must reference a priority level"))
    method = spec.get("distinguisherMethod")
    if method is not None:
        errors.extend(one_of(method.get("type"), _SPEC.child("distinguisherMethod", "type"), ("ByNamespace", "ByUser")))
    for position, rule in enumerate(spec.get("rules") or ()):
        if not rule.get("subjects"):
            told = "subjects must contain at least one value"
            errors.append(required(_SPEC.child("rules").index(position).child("subjects"), told))
    return errors


def _level(spec: Obj) -> Errors:
    kind = spec.get("type")
    errors = one_of(kind, _SPEC.child("type"), ("Exempt", "Limited"))
    if kind == "Exempt" and spec.get("limited") is not None:
        errors.append(forbidden(_SPEC.child("limited"), "must be nil if the type is not Limited"))
    if kind == "Limited" and spec.get("limited") is None:
        errors.append(required(_SPEC.child("limited"), "must not be empty when type is Limited"))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a flow schema or priority level that replaces another."""
    return [] if new.get("spec") == old.get("spec") else validate(new)
