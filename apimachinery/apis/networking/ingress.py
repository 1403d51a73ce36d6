"""Ingress."""

from apimachinery.apis.field_rules import Errors, named, obeys, one_of
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, invalid, required
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in an Ingress, in place."""
    obj.setdefault("spec", {})
    obj.setdefault("status", {}).setdefault("loadBalancer", {})


_SPEC = FieldPath("spec")
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")


def validate(obj: Obj) -> Errors:
    """What is wrong with an Ingress."""
    spec = obj.get("spec") or {}
    errors: Errors = []
    default = spec.get("defaultBackend")
    if default is not None:
        errors.extend(_backend(default, _SPEC.child("defaultBackend")))
    rules = spec.get("rules") or []
    if not rules and default is None:
        errors.append(invalid(_SPEC, spec, "either `defaultBackend` or `rules` must be specified"))
    for position, rule in enumerate(rules):
        here = _SPEC.child("rules").index(position)
        host = (rule.get("host") or "").removeprefix("*.")
        errors.extend(obeys(host, here.child("host"), names.dns1123_subdomain_problems))
        paths = (rule.get("http") or {}).get("paths")
        if "http" in rule and not paths:
            errors.append(required(here.child("http", "paths")))
        for index, path in enumerate(paths or ()):
            errors.extend(_path(path, here.child("http", "paths").index(index)))
    errors.extend(
        obeys(spec.get("ingressClassName"), _SPEC.child("ingressClassName"), names.dns1123_subdomain_problems)
    )
    return errors


def _path(path: Obj, here: FieldPath) -> Errors:
    if not path.get("pathType"):
        errors: Errors = [required(here.child("pathType"), "pathType must be specified")]
    else:
        errors = one_of(path["pathType"], here.child("pathType"), _PATH_TYPES)
    text = path.get("path") or ""
    if path.get("pathType") in ("Exact", "Prefix") and not text.startswith("/"):
        errors.append(invalid(here.child("path"), text, "must be an absolute path"))
    errors.extend(_backend(path.get("backend") or {}, here.child("backend")))
    return errors


def _backend(backend: Obj, here: FieldPath) -> Errors:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [invalid(here, "", "cannot set both resource and service backends")]
    if resource is not None:
        return [required(here.child("resource", field)) for field in ("kind", "name") if not resource.get(field)]
    if service is None:
        return [required(here, "resource or service backend is required")]
    errors = named(service.get("name"), here.child("service", "name"), names.dns1035_label_problems)
    port = service.get("port") or {}
    if not port.get("name") and not port.get("number"):
        errors.append(required(here.child("service", "port"), "port name or number is required"))
    elif port.get("name") and port.get("number"):
        errors.append(invalid(here, "", "cannot set both port name & port number"))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with an Ingress that replaces another."""
    return [] if new.get("spec") == old.get("spec") else validate(new)
