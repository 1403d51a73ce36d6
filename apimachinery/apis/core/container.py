"""Containers: defaults, and validation of images, ports, resources and mounts."""

from typing import Any

from apimachinery.apis.core import security_context
from apimachinery.apis.core.environment import validate_env, validate_env_from
from apimachinery.apis.core.probe import validate_handler, validate_probe
from apimachinery.apis.field_rules import (
    Errors,
    named,
    one_of,
    optional_one_of,
    port_number,
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
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_HUGE = "hugepages-"
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_PLAIN_RESOURCES = frozenset(("cpu", "memory", "ephemeral-storage"))


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


def validate_resources(resources: Obj | None, path: FieldPath, *, whole: bool = False) -> Errors:
    """What is wrong with requests and limits; `whole`: of a pod, whose limits may stand alone."""
    if not resources:
        return []
    errors: Errors = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            here = path.child(field).key(name)
            errors.extend(_resource_name(name, here))
            errors.extend(quantity(amount, here))
            if _is_extended(name) and not errors and parse_quantity(amount) % 1:
                errors.append(invalid(here, str(amount), "must be an integer"))
    for name, amount in requests.items():
        errors.extend(_within_limit(name, amount, limits.get(name), path))
    huge = any(name.startswith(_HUGE) for name in (*limits, *requests))
    if huge and not whole and not {"cpu", "memory"} & {*limits, *requests}:
        errors.append(forbidden(path, "HugePages require cpu or memory"))
    return errors


def _is_extended(name: str) -> bool:
    return "/" in name and not name.startswith("kubernetes.io/")


def _within_limit(name: str, amount: Any, limit: Any, path: FieldPath) -> Errors:
    fixed = _is_extended(name) or name.startswith(_HUGE)
    if limit is None:
        told = "Limit must be set for non overcommitable resources"
        return [required(path.child("limits"), told)] if fixed else []
    try:
        asked, most = parse_quantity(amount), parse_quantity(limit)
    except QuantityError:
        return []
    if fixed and asked != most:
        return [invalid(path.child("requests"), str(amount), f"must be equal to {name} limit of {limit}")]
    if asked > most:
        return [invalid(path.child("requests"), str(amount), f"must be less than or equal to {name} limit of {limit}")]
    return []


def _resource_name(name: str, path: FieldPath) -> Errors:
    problems = names.qualified_name_problems(name)
    if problems:
        return [invalid(path, name, problem) for problem in problems]
    if "/" not in name and name not in _PLAIN_RESOURCES and not name.startswith(_HUGE):
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
        if "mountPropagation" in mount or "recursiveReadOnly" in mount:
            errors.extend(_propagation(mount, container, here))
        sub, expression = mount.get("subPath"), mount.get("subPathExpr")
        for field, value in (("subPath", sub), ("subPathExpr", expression)):
            if value and value.startswith("/"):
                errors.append(invalid(here.child(field), value, "must be a relative path"))
            if value and ".." in value.split("/"):
                errors.append(invalid(here.child(field), value, "must not contain '..'"))
        if sub and expression:
            told = "subPathExpr and subPath are mutually exclusive"
            errors.append(invalid(here.child("subPathExpr"), expression, told))
    errors.extend(_devices(container, volumes, seen, path))
    return errors


def _devices(container: Obj, volumes: frozenset[str], mounted: set[str], path: FieldPath) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for position, device in enumerate(container.get("volumeDevices") or ()):
        here = path.child("volumeDevices").index(position)
        name, where = device.get("name"), device.get("devicePath")
        if not name:
            errors.append(required(here.child("name")))
        elif name not in volumes:
            errors.append(not_found(here.child("name"), name))
        if not where:
            errors.append(required(here.child("devicePath")))
        elif where in seen:
            errors.append(invalid(here.child("devicePath"), where, "must be unique"))
        elif where in mounted:
            errors.append(invalid(here.child("devicePath"), where, "must not already exist as a path in volumeMounts"))
        elif ".." in where.split("/"):
            errors.append(invalid(here.child("devicePath"), where, "can not contain backsteps ('..')"))
        seen.add(where or "")
    return errors


def _propagation(mount: Obj, container: Obj, here: FieldPath) -> Errors:
    wanted = mount.get("mountPropagation")
    errors = optional_one_of(wanted, here.child("mountPropagation"), _PROPAGATIONS)
    if wanted == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        told = "Bidirectional mount propagation is available only to privileged containers"
        errors.append(forbidden(here.child("mountPropagation"), told))
    recursive = mount.get("recursiveReadOnly")
    if recursive is not None:
        where = here.child("recursiveReadOnly")
        errors.extend(optional_one_of(recursive, where, ("Disabled", "Enabled", "IfPossible")))
        if recursive != "Disabled" and not mount.get("readOnly"):
            errors.append(forbidden(where, "may only be specified when readOnly is true"))
        elif recursive != "Disabled" and wanted not in (None, "None"):
            errors.append(forbidden(where, "may only be specified when mountPropagation is None or not specified"))
    return errors


def validate(container: Obj, spec: Obj, volumes: frozenset[str], path: FieldPath, *, init: bool = False) -> Errors:
    """What is wrong with a container of a pod, given the names of the pod's volumes."""
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
        if container["resources"].get("claims"):
            errors.extend(_claims(container["resources"]["claims"], spec, path.child("resources", "claims")))
    if container.get("resizePolicy"):
        errors.extend(_resize_policy(container["resizePolicy"], spec, path.child("resizePolicy")))
    errors.extend(_lifecycle(container, spec, path, init=init))
    if container.get("securityContext"):
        errors.extend(security_context.validate_container(container["securityContext"], path.child("securityContext")))
    return errors


def _claims(claims: list[Obj], spec: Obj, path: FieldPath) -> Errors:
    errors: Errors = []
    known = {one.get("name") for one in spec.get("resourceClaims") or ()}
    seen: set[tuple[Any, Any]] = set()
    for position, claim in enumerate(claims):
        here, name, request = path.index(position), claim.get("name"), claim.get("request")
        if not name:
            errors.append(required(here.child("name")))
            continue
        if (name, request) in seen or (name, None) in seen:
            errors.append(duplicate(here, name))
        elif name not in known:
            errors.append(not_found(here.child("name"), name))
        seen.add((name, request))
    return errors


def _resize_policy(policies: list[Obj], spec: Obj, path: FieldPath) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for position, policy in enumerate(policies):
        here, name, restart = path.index(position), policy.get("resourceName") or "", policy.get("restartPolicy")
        if name in seen:
            errors.append(duplicate(here, name))
        seen.add(name)
        errors.extend(one_of(name, here.child("resourceName"), ("cpu", "memory")))
        errors.extend(one_of(restart, here.child("restartPolicy"), ("NotRequired", "RestartContainer")))
        if spec.get("restartPolicy") == "Never" and restart != "NotRequired":
            told = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            errors.append(invalid(here.child("restartPolicy"), restart, told))
    return errors


def _lifecycle(container: Obj, spec: Obj, path: FieldPath, *, init: bool) -> Errors:
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
                    grace = spec.get("terminationGracePeriodSeconds")
                    errors.extend(validate_handler(lifecycle[field], path.child("lifecycle", field), grace=grace))
    return errors
