"""DeviceClass: validation; what classes and requests have in common stands here."""

from apimachinery.apis.field_rules import Errors
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, invalid, required, too_many
from apimachinery.objects.metadata import Obj

_SPEC = FieldPath("spec")
_MOST = 32


def validate(obj: Obj) -> Errors:
    """What is wrong with a DeviceClass."""
    spec = obj.get("spec") or {}
    errors = validate_selectors(spec.get("selectors") or [], _SPEC.child("selectors"))
    configurations, here = spec.get("config") or [], _SPEC.child("config")
    if len(configurations) > _MOST:
        errors.append(too_many(here, len(configurations), _MOST))
    for position, one in enumerate(configurations):
        errors.extend(validate_configuration(one, here.index(position)))
    return errors


def validate_selectors(selectors: list[Obj], path: FieldPath) -> Errors:
    """What is wrong with the selectors of a class or a request; what they say in CEL is not looked at here."""
    errors: Errors = []
    if len(selectors) > _MOST:
        errors.append(too_many(path, len(selectors), _MOST))
    for position, one in enumerate(selectors):
        here = path.index(position).child("cel")
        if one.get("cel") is None:
            errors.append(required(here))
        elif not one["cel"].get("expression"):
            errors.append(required(here.child("expression")))
    return errors


def validate_configuration(one: Obj, path: FieldPath) -> Errors:
    """What is wrong with the configuration of devices."""
    opaque, here = one.get("opaque"), path.child("opaque")
    if opaque is None:
        return [required(here)]
    errors = validate_driver(opaque.get("driver"), here.child("driver"))
    if opaque.get("parameters") is None:
        errors.append(required(here.child("parameters")))
    return errors


def validate_driver(name: str | None, path: FieldPath) -> Errors:
    """What is wrong with the name of a DRA driver."""
    if not name:
        return [required(path)]
    return [invalid(path, name, problem) for problem in names.dns1123_subdomain_problems(name)]
