"""IngressClass."""

from apimachinery.apis.field_rules import Errors, one_of, unchanged
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, forbidden, invalid, required, too_long
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in an IngressClass, in place."""
    parameters = (obj.get("spec") or {}).get("parameters")
    if parameters is not None:
        parameters.setdefault("scope", "Cluster")


_CONTROLLER, _PARAMETERS = FieldPath("spec.controller"), FieldPath("spec.parameters")
_MOST_CONTROLLER = 250


def validate(obj: Obj) -> Errors:
    """What is wrong with an IngressClass."""
    spec = obj.get("spec") or {}
    errors = _controller(spec.get("controller"))
    parameters = spec.get("parameters")
    return errors if parameters is None else [*errors, *_parameters(parameters)]


def _controller(name: str | None) -> Errors:
    if not name:
        return [required(_CONTROLLER)]
    if len(name) > _MOST_CONTROLLER:
        return [too_long(_CONTROLLER, name, _MOST_CONTROLLER)]
    domain, slash, path = name.partition("/")
    if not slash or not domain or not path:
        told = 'must be a domain-prefixed path (such as "acme.io/foo")'
        return [invalid(_CONTROLLER, name, told)]
    return [invalid(_CONTROLLER, domain, problem) for problem in names.dns1123_subdomain_problems(domain)]


def _parameters(parameters: Obj) -> Errors:
    errors: Errors = [required(_PARAMETERS.child(field)) for field in ("kind", "name") if not parameters.get(field)]
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    errors.extend(one_of(scope, _PARAMETERS.child("scope"), ("Cluster", "Namespace")))
    if scope == "Namespace" and not namespace:
        errors.append(required(_PARAMETERS.child("namespace"), "`parameters.scope` is set to 'Namespace'"))
    elif scope == "Cluster" and namespace:
        errors.append(forbidden(_PARAMETERS.child("namespace"), "`parameters.scope` is set to 'Cluster'"))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with an IngressClass that replaces another."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate(new) if after != before else []
    return [*errors, *unchanged(after.get("controller"), before.get("controller"), _CONTROLLER)]
