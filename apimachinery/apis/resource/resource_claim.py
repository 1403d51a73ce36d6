"""ResourceClaim and ResourceClaimTemplate."""

from apimachinery.apis.field_rules import Errors, named, one_of, positive, unchanged
from apimachinery.apis.resource.device_class import validate_configuration, validate_selectors
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, invalid, not_found, required, too_many
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in a claim or a claim template, in place."""
    spec = obj.setdefault("spec", {})
    if obj.get("kind") == "ResourceClaimTemplate":
        spec = spec.setdefault("spec", {})
    else:
        obj.setdefault("status", {})
    for request in (spec.get("devices") or {}).get("requests") or ():
        for one in (request.get("exactly"), *(request.get("firstAvailable") or ())):
            if one is None:
                continue
            if not one.get("allocationMode"):
                one["allocationMode"] = "ExactCount"
            if one["allocationMode"] == "ExactCount" and not one.get("count"):
                one["count"] = 1


_SPEC = FieldPath("spec")
_MOST = 32
_MOST_ALTERNATIVES = 8
_MODES = ("All", "ExactCount")
_ONE_OF = "exactly one of `exactly` or `firstAvailable` is required"


def validate(obj: Obj) -> Errors:
    """What is wrong with a claim or a claim template."""
    spec, path = obj.get("spec") or {}, _SPEC
    if obj.get("kind") == "ResourceClaimTemplate":
        spec, path = spec.get("spec") or {}, path.child("spec")
    return _devices(spec.get("devices") or {}, path.child("devices"))


def _devices(devices: Obj, path: FieldPath) -> Errors:
    errors: Errors = []
    known: set[str] = set()
    requests, here = devices.get("requests") or [], path.child("requests")
    if len(requests) > _MOST:
        errors.append(too_many(here, len(requests), _MOST))
    for position, request in enumerate(requests):
        where, name = here.index(position), request.get("name") or ""
        errors.extend(named(name, where.child("name"), names.dns1123_label_problems))
        if name in known:
            errors.append(duplicate(where.child("name"), name))
        known |= {name, *(f"{name}/{one.get('name')}" for one in request.get("firstAvailable") or ())}
        errors.extend(_request(request, where))
    for position, constraint in enumerate(devices.get("constraints") or ()):
        where = path.child("constraints").index(position)
        errors.extend(_names(constraint.get("requests") or [], known, where.child("requests")))
        if not constraint.get("matchAttribute") and not constraint.get("distinctAttribute"):
            errors.append(required(where.child("matchAttribute")))
    for position, one in enumerate(devices.get("config") or ()):
        where = path.child("config").index(position)
        errors.extend(_names(one.get("requests") or [], known, where.child("requests")))
        errors.extend(validate_configuration(one, where))
    return errors


def _names(requests: list[str], known: set[str], path: FieldPath) -> Errors:
    return [not_found(path.index(position), name) for position, name in enumerate(requests) if name not in known]


def _request(request: Obj, path: FieldPath) -> Errors:
    exactly, available = request.get("exactly"), request.get("firstAvailable") or []
    if exactly is not None and available:
        return [invalid(path, None, _ONE_OF)]
    if exactly is not None:
        return _asked(exactly, path.child("exactly"))
    if not available:
        return [required(path, _ONE_OF)]
    errors: Errors = []
    here = path.child("firstAvailable")
    if len(available) > _MOST_ALTERNATIVES:
        errors.append(too_many(here, len(available), _MOST_ALTERNATIVES))
    for position, one in enumerate(available):
        where = here.index(position)
        errors.extend(named(one.get("name"), where.child("name"), names.dns1123_label_problems))
        errors.extend(_asked(one, where))
    return errors


def _asked(one: Obj, path: FieldPath) -> Errors:
    errors = named(one.get("deviceClassName"), path.child("deviceClassName"), names.dns1123_subdomain_problems)
    errors.extend(validate_selectors(one.get("selectors") or [], path.child("selectors")))
    mode, count = one.get("allocationMode"), one.get("count")
    errors.extend(one_of(mode, path.child("allocationMode"), _MODES))
    if mode == "All" and count:
        told = "must not be specified when allocationMode is 'All'"
        errors.append(invalid(path.child("count"), count, told))
    elif mode == "ExactCount":
        errors.extend(positive(count or 0, path.child("count")))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a claim or template that replaces another: what it asks for stays."""
    return unchanged(new.get("spec"), old.get("spec"), _SPEC)
