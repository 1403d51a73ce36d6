"""PriorityLevelConfiguration."""

from apimachinery.apis.field_rules import Errors, one_of
from apimachinery.objects.field_path import FieldPath, forbidden, invalid, required
from apimachinery.objects.metadata import Obj

_SPEC = FieldPath("spec")
_MOST_QUEUES = 10_000_000
_QUEUING = (("queues", 64), ("handSize", 8), ("queueLengthLimit", 50))


def apply_defaults(obj: Obj) -> None:
    """Fill in a priority level, in place."""
    spec = obj.setdefault("spec", {})
    obj.setdefault("status", {})
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
            for field, value in _QUEUING:
                if not queuing.get(field):
                    queuing[field] = value


def validate(obj: Obj) -> Errors:
    """What is wrong with a priority level."""
    spec = obj.get("spec") or {}
    kind = spec.get("type")
    errors = one_of(kind, _SPEC.child("type"), ("Exempt", "Limited"))
    if ((obj.get("metadata") or {}).get("name") == "exempt") != (kind == "Exempt"):
        told = "type must be 'Exempt' if and only if name is 'exempt'"
        errors.append(invalid(_SPEC.child("type"), kind, told))
    exempt, limited = spec.get("exempt"), spec.get("limited")
    if kind == "Exempt" and limited is not None:
        errors.append(forbidden(_SPEC.child("limited"), "must be nil if the type is not Limited"))
    if kind == "Exempt" and exempt is not None:
        errors.extend(_shares(exempt, _SPEC.child("exempt")))
    if kind == "Limited":
        if exempt is not None:
            errors.append(forbidden(_SPEC.child("exempt"), "must be nil if the type is Limited"))
        if limited is None:
            errors.append(required(_SPEC.child("limited"), "must not be empty when type is Limited"))
        else:
            errors.extend(_limited(limited, _SPEC.child("limited")))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a priority level that replaces another."""
    return [] if new.get("spec") == old.get("spec") else validate(new)


def _shares(part: Obj, path: FieldPath) -> Errors:
    errors: Errors = []
    shares, lendable = part.get("nominalConcurrencyShares"), part.get("lendablePercent")
    if shares is not None and shares < 0:
        errors.append(invalid(path.child("nominalConcurrencyShares"), shares, "must be a non-negative integer"))
    if lendable is not None and not 0 <= lendable <= 100:
        errors.append(invalid(path.child("lendablePercent"), lendable, "must be between 0 and 100, inclusive"))
    return errors


def _limited(limited: Obj, path: FieldPath) -> Errors:
    errors = _shares(limited, path)
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        told = "if specified, must be a non-negative integer"
        errors.append(invalid(path.child("borrowingLimitPercent"), borrowing, told))
    response, here = limited.get("limitResponse") or {}, path.child("limitResponse")
    errors.extend(one_of(response.get("type"), here.child("type"), ("Queue", "Reject")))
    queuing = response.get("queuing")
    if response.get("type") == "Reject" and queuing is not None:
        told = "must be nil if limited.limitResponse.type is not Limited"
        errors.append(forbidden(here.child("queuing"), told))
    if response.get("type") == "Queue":
        if queuing is None:
            told = "must not be empty if limited.limitResponse.type is Limited"
            errors.append(required(here.child("queuing"), told))
        else:
            errors.extend(_queuing(queuing, here.child("queuing")))
    return errors


def _queuing(queuing: Obj, path: FieldPath) -> Errors:
    errors: Errors = []
    queues, hand = queuing.get("queues") or 0, queuing.get("handSize") or 0
    for field, _ in _QUEUING:
        value = queuing.get(field) or 0
        if value <= 0:
            errors.append(invalid(path.child(field), value, "must be positive"))
    if queues > _MOST_QUEUES:
        errors.append(invalid(path.child("queues"), queues, f"must not be greater than {_MOST_QUEUES}"))
    if hand > queues > 0:
        errors.append(invalid(path.child("handSize"), hand, f"should not be greater than queues ({queues})"))
    return errors
