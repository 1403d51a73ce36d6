"""Ingress."""

import ipaddress

from apimachinery.apis.field_rules import Errors, named, obeys, one_of, port_number
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, invalid, required
from apimachinery.objects.metadata import Obj


def apply_defaults(obj: Obj) -> None:
    """Fill in an Ingress, in place."""
    obj.setdefault("spec", {})
    obj.setdefault("status", {}).setdefault("loadBalancer", {})


_SPEC = FieldPath("spec")
_CLASS = "kubernetes.io/ingress.class"
_BAD_IN_PATH, _BAD_AT_END = ("//", "/./", "/../", "%2f", "%2F"), ("/..", "/.")
_WILDCARD_RULE = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', "
    "regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
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
        errors.extend(_host(rule.get("host") or "", here.child("host")))
        paths = (rule.get("http") or {}).get("paths")
        if "http" in rule and not paths:
            errors.append(required(here.child("http", "paths")))
        for index, path in enumerate(paths or ()):
            errors.extend(_path(path, here.child("http", "paths").index(index)))
    for position, entry in enumerate(spec.get("tls") or ()):
        here = _SPEC.child("tls").index(position)
        for index, host in enumerate(entry.get("hosts") or ()):
            errors.extend(_name(host, here.child("hosts").index(index)))
        errors.extend(obeys(entry.get("secretName"), here.child("secretName"), names.dns1123_subdomain_problems))
    errors.extend(
        obeys(spec.get("ingressClassName"), _SPEC.child("ingressClassName"), names.dns1123_subdomain_problems)
    )
    return errors


def _host(host: str, path: FieldPath) -> Errors:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _name(host, path) if host else []
    return [invalid(path, host, "must be a DNS name, not an IP address")]


def _name(host: str, path: FieldPath) -> Errors:
    if "*" not in host:
        return obeys(host, path, names.dns1123_subdomain_problems)
    problems = names.dns1123_subdomain_problems(host.removeprefix("*.")) if host.startswith("*.") else ["*"]
    return [invalid(path, host, _WILDCARD_RULE)] if problems else []


def _path(path: Obj, here: FieldPath) -> Errors:
    if not path.get("pathType"):
        errors: Errors = [required(here.child("pathType"), "pathType must be specified")]
    else:
        errors = one_of(path["pathType"], here.child("pathType"), _PATH_TYPES)
    text = path.get("path") or ""
    if path.get("pathType") in ("Exact", "Prefix") and not text.startswith("/"):
        errors.append(invalid(here.child("path"), text, "must be an absolute path"))
    elif path.get("pathType") in ("Exact", "Prefix"):
        for part in _BAD_IN_PATH:
            if part in text:
                errors.append(invalid(here.child("path"), text, f"must not contain '{part}'"))
        for part in _BAD_AT_END:
            if text.endswith(part):
                errors.append(invalid(here.child("path"), text, f"cannot end with '{part}'"))
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
    elif port.get("number"):
        errors.extend(port_number(port["number"], here.child("service", "port", "number")))
    else:
        errors.extend(obeys(port["name"], here.child("service", "port", "name"), names.port_name_problems))
    return errors


def validate_create(obj: Obj) -> Errors:
    """What is wrong with a new Ingress alone: the old annotation and the new field contradict each other."""
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    if _CLASS in annotations and (obj.get("spec") or {}).get("ingressClassName") is not None:
        here = FieldPath("metadata.annotations").child(_CLASS)
        return [invalid(here, annotations[_CLASS], "can not be set when the class field is also set")]
    return []


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with an Ingress that replaces another."""
    return [] if new.get("spec") == old.get("spec") else validate(new)


def warnings(obj: Obj) -> list[str]:
    """What is to be said of an Ingress."""
    if _CLASS not in ((obj.get("metadata") or {}).get("annotations") or {}):
        return []
    return [f"annotation \"{_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"]
