"""Environment variables and keys of ConfigMaps and Secrets: validation, with the fields that a pod may tell itself."""

import re
from typing import Any

from apimachinery.apis.field_rules import Errors, named, obeys
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, invalid, not_supported, required
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import QuantityError, canonical

_ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['(.*)'\]")
# What the API knows as fields of a pod, and which of them a variable or a file may show.
_KNOWN = frozenset(
    (
        "metadata.annotations",
        "metadata.labels",
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.hostNetwork",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.phase",
        "status.podIP",
        "status.podIPs",
    )
)
IN_ENVIRONMENT = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
IN_FILES = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE = ("limits.hugepages-", "requests.hugepages-")
_BYTES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_DIVISORS = {"cpu": ("1m", "1"), "memory": _BYTES, "ephemeral-storage": _BYTES}


def config_key_problems(key: str) -> list[str]:
    """What is wrong with a key of a ConfigMap or Secret."""
    if len(key) > 253:
        return ["must be no more than 253 characters"]
    if not _CONFIG_KEY.fullmatch(key):
        return [
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
            "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
        ]
    if key in (".", "..") or key.startswith(".."):
        return [f"must not be '{key}'" if key in (".", "..") else "must not start with '..'"]
    return []


def env_name_problems(name: str) -> list[str]:
    """What is wrong with an environment variable's name: any printable ASCII but `=` will do."""
    if all(" " <= character <= "~" and character != "=" for character in name):
        return []
    return [
        "a valid environment variable name must consist only of printable ASCII characters other than '=' (e.g. "
        "'my-variable',  or 'MY_VARIABLE',  or 'MY-VARIABLE.name', regex used for validation is "
        "'[ -<>-~]+')"
    ]


def validate_field_ref(reference: Obj, path: FieldPath, allowed: tuple[str, ...]) -> Errors:
    """What is wrong with a `fieldRef`, given the fields that may be shown."""
    field = reference.get("fieldPath")
    if not reference.get("apiVersion"):
        return [required(path.child("apiVersion"))]
    if not field:
        return [required(path.child("fieldPath"))]
    here = path.child("fieldPath")
    if reference["apiVersion"] != "v1":
        kind = f"{reference['apiVersion']}, Kind=Pod"
        return [invalid(here, field, f"error converting fieldPath: field label conversion not supported for {kind}")]
    subscript = _SUBSCRIPT.fullmatch(field)
    if subscript is not None:
        key = subscript[2]
        text = key.lower() if subscript[1] == "metadata.annotations" else key
        return [invalid(path, key, problem) for problem in names.qualified_name_problems(text)]
    if field not in _KNOWN:
        return [invalid(here, field, f"error converting fieldPath: field label not supported: {field}")]
    return [] if field in allowed else [not_supported(here, field, allowed)]


def validate_resource_ref(reference: Obj, path: FieldPath, *, of_volume: bool) -> Errors:
    """What is wrong with a `resourceFieldRef`."""
    errors: Errors = []
    resource = reference.get("resource")
    if of_volume and not reference.get("containerName"):
        return [required(path.child("containerName"))]
    if not resource:
        return [required(path.child("resource"))]
    if resource not in _RESOURCES and not resource.startswith(_HUGE):
        errors.append(not_supported(path.child("resource"), resource, _RESOURCES))
    name = resource.partition(".")[2]
    divisors = _DIVISORS.get(name) or (_BYTES if name.startswith("hugepages-") else ())
    try:
        divisor = canonical(reference.get("divisor", "0"))
    except QuantityError as error:
        return [*errors, invalid(path.child("divisor"), reference.get("divisor"), str(error))]
    if divisors and divisor not in ("0", *divisors):
        told = f"only divisor's values {_listed(divisors)} are supported with the {_group(name)} resource"
        errors.append(invalid(path.child("divisor"), name, told))
    return errors


def _listed(divisors: tuple[str, ...]) -> str:
    return " and ".join(divisors) if len(divisors) == 2 else ", ".join(divisors)


def _group(name: str) -> str:
    return "hugepages" if name.startswith("hugepages-") else "local ephemeral storage" if "ephemeral" in name else name


def validate_env(env: Any, path: FieldPath) -> Errors:
    """What is wrong with environment variables."""
    errors: Errors = []
    for position, variable in enumerate(env or ()):
        here = path.index(position)
        errors.extend(named(variable.get("name"), here.child("name"), env_name_problems))
        source = variable.get("valueFrom")
        if source is not None:
            errors.extend(_source(source, variable, here.child("valueFrom")))
    return errors


def _source(source: Obj, variable: Obj, where: FieldPath) -> Errors:
    errors: Errors = []
    given = [kind for kind in _ENV_SOURCES if kind in source]
    if not given:
        told = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        errors.append(invalid(where, "", told))
    elif variable.get("value"):
        errors.append(invalid(where, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        errors.append(invalid(where, "", "may not have more than one field specified at a time"))
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in source:
            if not source[kind].get("name"):
                errors.append(required(where.child(kind, "name")))
            errors.extend(named(source[kind].get("key"), where.child(kind, "key"), config_key_problems))
    if "fieldRef" in source:
        errors.extend(validate_field_ref(source["fieldRef"], where.child("fieldRef"), IN_ENVIRONMENT))
    if "resourceFieldRef" in source:
        errors.extend(
            validate_resource_ref(source["resourceFieldRef"], where.child("resourceFieldRef"), of_volume=False)
        )
    if "fileKeyRef" in source:
        reference, here = source["fileKeyRef"], where.child("fileKeyRef")
        errors.extend(named(reference.get("key"), here.child("key"), env_name_problems))
        errors.extend(required(here.child(field)) for field in ("volumeName", "path") if not reference.get(field))
    return errors


def validate_env_from(sources: Any, path: FieldPath) -> Errors:
    """What is wrong with `envFrom`."""
    errors: Errors = []
    for position, source in enumerate(sources or ()):
        here = path.index(position)
        errors.extend(obeys(source.get("prefix"), here.child("prefix"), env_name_problems))
        given = [kind for kind in ("configMapRef", "secretRef") if kind in source]
        if not given:
            errors.append(invalid(here, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            errors.append(invalid(here, "", "may not have more than one field specified at a time"))
        errors.extend(required(here.child(kind, "name")) for kind in given if not source[kind].get("name"))
    return errors
