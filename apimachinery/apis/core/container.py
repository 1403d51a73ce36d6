"""Containers: defaults and validation of images, ports, probes, hooks, environment, resources and mounts."""

import re
from typing import Any

from apimachinery.apis.core import security_context
from apimachinery.apis.field_rules import (
    Errors,
    named,
    non_negative,
    obeys,
    one_of,
    optional_one_of,
    port_number,
    port_or_name,
    quantity,
)
from apimachinery.objects import names
from apimachinery.objects.field_path import FieldPath, duplicate, forbidden, invalid, not_found, required
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import QuantityError, parse_quantity

_HANDLERS = ("postStart", "preStop")
_PROBE_DEFAULTS = (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3))
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def default_pull_policy(image: str) -> str:
    """`Always` for `latest` and for images without tag and digest, else `IfNotPresent`."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not tag and not digest:
        return "Always"
    return "Always" if tag == "latest" else "IfNotPresent"


def apply_http_get_defaults(handler: Any) -> None:
    """Defaults of a probe's or hook's HTTP request."""
    http = handler.get("httpGet")
    if http is not None:
        if not http.get("path"):
            http["path"] = "/"
        if not http.get("scheme"):
            http["scheme"] = "HTTP"


def apply_probe_defaults(probe: Obj) -> None:
    """Defaults of a probe."""
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not probe.get(field):
            probe[field] = value
    apply_http_get_defaults(probe)
    grpc = probe.get("grpc")
    if grpc is not None:
        grpc.setdefault("service", "")


def apply_defaults(container: Obj) -> None:
    """Fill in a container, in place."""
    if "terminationMessagePath" not in container:
        container["terminationMessagePath"] = "/dev/termination-log"
    if "terminationMessagePolicy" not in container:
        container["terminationMessagePolicy"] = "File"
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = default_pull_policy(container.get("image") or "")
    if "resources" not in container:
        container["resources"] = {}
    for port in container.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
    for field in _PROBES:
        if field in container:
            apply_probe_defaults(container[field])
    lifecycle = container.get("lifecycle")
    if lifecycle:
        for field in _HANDLERS:
            if field in lifecycle:
                apply_http_get_defaults(lifecycle[field])
    for variable in container.get("env") or ():
        source = variable.get("valueFrom")
        if source:
            apply_reference_defaults(source)
            file_key = source.get("fileKeyRef")
            if file_key is not None:
                file_key.setdefault("optional", False)


def apply_reference_defaults(source: Obj) -> None:
    """Defaults of `fieldRef` and `resourceFieldRef`."""
    field = source.get("fieldRef")
    if field is not None and not field.get("apiVersion"):
        field["apiVersion"] = "v1"
    resource = source.get("resourceFieldRef")
    if resource is not None and "divisor" not in resource:
        resource["divisor"] = "0"


def request_from_limits(container: Obj) -> None:
    """A limit without a request is requested as well."""
    resources = container.get("resources") or {}
    limits = resources.get("limits")
    if not limits:
        return
    requests = resources.setdefault("requests", {})
    for name, amount in limits.items():
        if name not in requests:
            requests[name] = amount


# -- validation --------------------------------------------------------------------------------------------------------

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_TERMINATION_POLICIES = ("FallbackToLogsOnError", "File")
_HANDLER_KINDS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_HTTP_SCHEMES = ("HTTP", "HTTPS")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_NOT_OVERCOMMITTED = ("hugepages-",)
_PLAIN_RESOURCES = frozenset(("cpu", "memory", "ephemeral-storage"))


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


def validate_ports(ports: Any, path: FieldPath) -> Errors:
    """What is wrong with a container's ports."""
    errors: Errors = []
    seen: set[str] = set()
    for position, port in enumerate(ports or ()):
        here = path.index(position)
        name = port.get("name")
        if name:
            problems = names.port_name_problems(name)
            errors.extend(invalid(here.child("name"), name, problem) for problem in problems)
            if not problems and name in seen:
                errors.append(duplicate(here.child("name"), name))
            seen.add(name)
        if not port.get("containerPort"):
            errors.append(required(here.child("containerPort")))
        else:
            errors.extend(port_number(port["containerPort"], here.child("containerPort")))
        if port.get("hostPort"):
            errors.extend(port_number(port["hostPort"], here.child("hostPort")))
        errors.extend(one_of(port.get("protocol"), here.child("protocol"), _PROTOCOLS))
    return errors


def validate_env(env: Any, path: FieldPath) -> Errors:
    """What is wrong with environment variables."""
    errors: Errors = []
    for position, variable in enumerate(env or ()):
        here = path.index(position)
        errors.extend(named(variable.get("name"), here.child("name"), env_name_problems))
        source = variable.get("valueFrom")
        if source is None:
            continue
        given = [kind for kind in _ENV_SOURCES if kind in source]
        where = here.child("valueFrom")
        if not given:
            told = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            errors.append(invalid(where, "", told))
        elif len(given) > 1:
            errors.append(invalid(where, "", "may not have more than one field specified at a time"))
        elif variable.get("value"):
            errors.append(invalid(where, "", "may not be specified when `value` is not empty"))
        for kind in ("configMapKeyRef", "secretKeyRef"):
            if kind in source:
                errors.extend(named(source[kind].get("key"), where.child(kind, "key"), config_key_problems))
                if not source[kind].get("name"):
                    errors.append(required(where.child(kind, "name")))
        if "fieldRef" in source and not source["fieldRef"].get("fieldPath"):
            errors.append(required(where.child("fieldRef", "fieldPath")))
        if "resourceFieldRef" in source and not source["resourceFieldRef"].get("resource"):
            errors.append(required(where.child("resourceFieldRef", "resource")))
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


def validate_handler(handler: Obj, path: FieldPath) -> Errors:
    """What is wrong with what a probe or hook does."""
    given = [kind for kind in _HANDLER_KINDS if kind in handler]
    if not given:
        return [required(path, "must specify a handler type")]
    errors = [forbidden(path.child(kind), "may not specify more than 1 handler type") for kind in given[1:]]
    command = handler.get("exec")
    if command is not None and not command.get("command"):
        errors.append(required(path.child("exec", "command")))
    http = handler.get("httpGet")
    if http is not None:
        here = path.child("httpGet")
        if not http.get("path"):
            errors.append(required(here.child("path")))
        errors.extend(port_or_name(http.get("port"), here.child("port")))
        errors.extend(one_of(http.get("scheme"), here.child("scheme"), _HTTP_SCHEMES))
    tcp = handler.get("tcpSocket")
    if tcp is not None:
        errors.extend(port_or_name(tcp.get("port"), path.child("tcpSocket", "port")))
    grpc = handler.get("grpc")
    if grpc is not None:
        errors.extend(port_number(grpc.get("port"), path.child("grpc", "port")))
    return errors


def validate_probe(probe: Obj, path: FieldPath, *, once: bool) -> Errors:
    """What is wrong with a probe; `once`: a single success must do."""
    errors = validate_handler(probe, path)
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        errors.extend(non_negative(probe.get(field), path.child(field)))
    if once and probe.get("successThreshold", 1) != 1:
        errors.append(invalid(path.child("successThreshold"), probe["successThreshold"], "must be 1"))
    return errors


def validate_resources(resources: Obj | None, path: FieldPath) -> Errors:
    """What is wrong with requests and limits."""
    if not resources:
        return []
    errors: Errors = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            here = path.child(field).key(name)
            errors.extend(_resource_name(name, here))
            errors.extend(quantity(amount, here))
    for name, amount in requests.items():
        limit = limits.get(name)
        if limit is None:
            if "/" in name and not name.startswith("kubernetes.io/"):
                errors.append(required(path.child("limits"), "Limit must be set for non overcommitable resources"))
            continue
        try:
            over = parse_quantity(amount) > parse_quantity(limit)
        except QuantityError:
            continue
        if over:
            detail = f"must be less than or equal to {name} limit of {limit}"
            errors.append(invalid(path.child("requests"), str(amount), detail))
    return errors


def _resource_name(name: str, path: FieldPath) -> Errors:
    problems = names.qualified_name_problems(name)
    if problems:
        return [invalid(path, name, problem) for problem in problems]
    if "/" not in name and name not in _PLAIN_RESOURCES and not name.startswith(_NOT_OVERCOMMITTED):
        return [invalid(path, name, "must be a standard resource for containers")]
    return []


def validate_mounts(container: Obj, volumes: frozenset[str], path: FieldPath) -> Errors:
    """What is wrong with volume mounts, given the pod's volumes."""
    errors: Errors = []
    seen: set[str] = set()
    for position, mount in enumerate(container.get("volumeMounts") or ()):
        here = path.child("volumeMounts").index(position)
        name, where = mount.get("name"), mount.get("mountPath")
        if not name:
            errors.append(required(here.child("name")))
        elif name not in volumes:
            errors.append(not_found(here.child("name"), name))
        if not where:
            errors.append(required(here.child("mountPath")))
        elif where in seen:
            errors.append(invalid(here.child("mountPath"), where, "must be unique"))
        seen.add(where or "")
        sub, expression = mount.get("subPath"), mount.get("subPathExpr")
        for field, value in (("subPath", sub), ("subPathExpr", expression)):
            if value and value.startswith("/"):
                errors.append(invalid(here.child(field), value, "must be a relative path"))
            if value and ".." in value.split("/"):
                errors.append(invalid(here.child(field), value, "must not contain '..'"))
        if sub and expression:
            told = "subPathExpr and subPath are mutually exclusive"
            errors.append(invalid(here.child("subPathExpr"), expression, told))
    for position, device in enumerate(container.get("volumeDevices") or ()):
        here = path.child("volumeDevices").index(position)
        if device.get("name") not in volumes:
            errors.append(not_found(here.child("name"), device.get("name")))
        if not device.get("devicePath"):
            errors.append(required(here.child("devicePath")))
    return errors


def validate(container: Obj, volumes: frozenset[str], path: FieldPath, *, init: bool = False) -> Errors:
    """What is wrong with a container, given the names of the pod's volumes."""
    errors = named(container.get("name"), path.child("name"), names.dns1123_label_problems)
    image = container.get("image")
    if not image:
        errors.append(required(path.child("image")))
    elif image != image.strip():
        errors.append(invalid(path.child("image"), image, "must not have leading or trailing whitespace"))
    errors.extend(one_of(container.get("imagePullPolicy"), path.child("imagePullPolicy"), _PULL_POLICIES))
    errors.extend(
        one_of(container.get("terminationMessagePolicy"), path.child("terminationMessagePolicy"), _TERMINATION_POLICIES)
    )
    if "ports" in container:
        errors.extend(validate_ports(container["ports"], path.child("ports")))
    if "env" in container:
        errors.extend(validate_env(container["env"], path.child("env")))
    if "envFrom" in container:
        errors.extend(validate_env_from(container["envFrom"], path.child("envFrom")))
    if "volumeMounts" in container or "volumeDevices" in container:
        errors.extend(validate_mounts(container, volumes, path))
    if container.get("resources"):
        errors.extend(validate_resources(container["resources"], path.child("resources")))
    errors.extend(_lifecycle(container, path, init=init))
    if container.get("securityContext"):
        errors.extend(security_context.validate_container(container["securityContext"], path.child("securityContext")))
    return errors


def _lifecycle(container: Obj, path: FieldPath, *, init: bool) -> Errors:
    errors: Errors = []
    sidecar = container.get("restartPolicy") == "Always"
    policy = container.get("restartPolicy")
    if policy is not None:
        errors.extend(optional_one_of(policy, path.child("restartPolicy"), _RESTART_POLICIES))
    refused = init and not sidecar
    for field in _PROBES:
        if field in container:
            if refused:
                told = "may not be set for init containers without restartPolicy=Always"
                errors.append(forbidden(path.child(field), told))
            else:
                errors.extend(validate_probe(container[field], path.child(field), once=field != "readinessProbe"))
    lifecycle = container.get("lifecycle")
    if lifecycle:
        if refused:
            told = "may not be set for init containers without restartPolicy=Always"
            errors.append(forbidden(path.child("lifecycle"), told))
        else:
            for field in _HANDLERS:
                if field in lifecycle:
                    errors.extend(validate_handler(lifecycle[field], path.child("lifecycle", field)))
    return errors
