"""FlowSchema."""

from typing import Any

from apimachinery.apis.field_rules import Errors, named
from apimachinery.objects.field_path import FieldPath, forbidden, invalid, not_supported, required
from apimachinery.objects.metadata import Obj
from apimachinery.objects.names import dns1123_label_problems, dns1123_subdomain_problems

_SPEC = FieldPath("spec")
_MOST_PRECEDENCE = 10000
_ALL = "*"
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_SUBJECTS = {"User": "user", "Group": "group", "ServiceAccount": "serviceAccount"}


def apply_defaults(obj: Obj) -> None:
    """Fill in a flow schema, in place."""
    spec = obj.setdefault("spec", {})
    obj.setdefault("status", {})
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = 1000


def validate(obj: Obj) -> Errors:
    """What is wrong with a flow schema."""
    spec = obj.get("spec") or {}
    errors: Errors = []
    precedence = spec.get("matchingPrecedence") or 0
    here = _SPEC.child("matchingPrecedence")
    if precedence <= 0:
        errors.append(invalid(here, precedence, "must be a positive value"))
    elif precedence > _MOST_PRECEDENCE:
        errors.append(invalid(here, precedence, f"must not be greater than {_MOST_PRECEDENCE}"))
    elif precedence == 1 and (obj.get("metadata") or {}).get("name") != "exempt":
        errors.append(invalid(here, precedence, "only the schema named 'exempt' may have matchingPrecedence 1"))
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in ("ByNamespace", "ByUser"):
        place = _SPEC.child("distinguisherMethod", "type")
        errors.append(not_supported(place, method.get("type"), ("ByNamespace", "ByUser")))
    level = (spec.get("priorityLevelConfiguration") or {}).get("name")
    place = _SPEC.child("priorityLevelConfiguration", "name")
    if level:
        errors.extend(named(level, place, dns1123_subdomain_problems))
    else:
        errors.append(required(place, "must reference a priority level"))
    for position, rule in enumerate(spec.get("rules") or ()):
        errors.extend(_rule(rule, _SPEC.child("rules").index(position)))
    return errors


def validate_update(new: Obj, old: Obj) -> Errors:
    """What is wrong with a flow schema that replaces another."""
    return [] if new.get("spec") == old.get("spec") else validate(new)


def _rule(rule: Obj, path: FieldPath) -> Errors:
    errors: Errors = []
    for position, subject in enumerate(rule.get("subjects") or ()):
        errors.extend(_subject(subject, path.child("subjects").index(position)))
    if not rule.get("subjects"):
        errors.append(required(path.child("subjects"), "subjects must contain at least one value"))
    resources, others = rule.get("resourceRules") or (), rule.get("nonResourceRules") or ()
    if not resources and not others:
        told = "at least one of resourceRules and nonResourceRules has to be non-empty"
        errors.append(required(path, told))
    for position, one in enumerate(resources):
        errors.extend(_resource_rule(one, path.child("resourceRules").index(position)))
    for position, one in enumerate(others):
        errors.extend(_path_rule(one, path.child("nonResourceRules").index(position)))
    return errors


def _subject(subject: Obj, path: FieldPath) -> Errors:
    kind = subject.get("kind")
    if kind not in _SUBJECTS:
        return [not_supported(path.child("kind"), kind, sorted(_SUBJECTS))]
    errors: Errors = []
    field = _SUBJECTS[kind]
    here, found = path.child(field), subject.get(field)
    if found is None:
        errors.append(required(here, f"{field} is required when subject kind is '{kind}'"))
    else:
        name = found.get("name")
        if not name:
            errors.append(required(here.child("name")))
        if kind == "ServiceAccount":
            if name and name != _ALL:
                errors.extend(named(name, here.child("name"), dns1123_subdomain_problems))
            if found.get("namespace"):
                errors.extend(named(found["namespace"], here.child("namespace"), dns1123_label_problems))
            else:
                errors.append(required(here.child("namespace"), "must specify namespace for service account"))
    for other_kind, other in _SUBJECTS.items():
        if other != field and subject.get(other) is not None:
            told = f"{other} is forbidden when subject kind is not '{other_kind}'"
            errors.append(forbidden(path.child(other), told))
    return errors


def _listed(rule: Obj, field: str, path: FieldPath, missing: str, others: str) -> Errors:
    """A list that must have something in it, `*` only by itself."""
    found: list[Any] = rule.get(field) or []
    if not found:
        return [required(path.child(field), missing)]
    if _ALL in found and len(found) > 1:
        return [invalid(path.child(field), found, f"if '*' is present, must not specify other {others}")]
    return []


def _verbs(rule: Obj, path: FieldPath) -> Errors:
    errors = _listed(rule, "verbs", path, "verbs must contain at least one value", "verbs")
    found = rule.get("verbs") or []
    if not errors and _ALL not in found and not set(found) <= set(_VERBS):
        errors.append(not_supported(path.child("verbs"), found, _VERBS))
    return errors


def _resource_rule(rule: Obj, path: FieldPath) -> Errors:
    errors = _verbs(rule, path)
    told = "resource rules must supply at least one"
    errors.extend(_listed(rule, "apiGroups", path, f"{told} api group", "api groups"))
    errors.extend(_listed(rule, "resources", path, f"{told} resource", "resources"))
    namespaces = rule.get("namespaces") or []
    if namespaces or not rule.get("clusterScope"):
        missing = "resource rules that are not cluster scoped must supply at least one namespace"
        errors.extend(_listed(rule, "namespaces", path, missing, "namespaces"))
    if _ALL not in namespaces:
        told = "each member of this list must be '*' or a DNS-1123 label; "
        for position, name in enumerate(namespaces):
            here = path.child("namespaces").index(position)
            errors.extend(invalid(here, name, told + problem) for problem in dns1123_label_problems(name))
    return errors


def _path_rule(rule: Obj, path: FieldPath) -> Errors:
    errors = _verbs(rule, path)
    missing = "nonResourceURLs must contain at least one value"
    errors.extend(_listed(rule, "nonResourceURLs", path, missing, "non-resource URLs"))
    urls = rule.get("nonResourceURLs") or []
    for position, url in enumerate(urls if _ALL not in urls else ()):
        problem = _url_problem(url)
        if problem:
            errors.append(invalid(path.child("nonResourceURLs").index(position), url, problem))
    return errors


def _url_problem(url: str) -> str:
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    if "*" in url and (url.count("*") > 1 or not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""
