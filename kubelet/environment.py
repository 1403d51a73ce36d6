"""Pure: a container's environment: envFrom, env, fieldRef, resourceFieldRef, service variables and `$(VAR)` expansion.

ConfigMaps and Secrets are fetched before (`references`) and handed in; missing ones raise `ContainerConfigError`,
which becomes
CreateContainerConfigError.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubelet.downward import FieldError, field_value, resource_value

Obj = dict[str, Any]
Lookup = Callable[[str, str], Obj | None]
"""(resource, name) -> object in the pod's namespace, or None."""


class ContainerConfigError(Exception):
    """The container's configuration can't be built yet; upstream's message."""


@dataclass(frozen=True, slots=True)
class EnvironmentInputs:
    """What the environment draws on."""

    lookup: Lookup
    services: tuple[Obj, ...]
    cluster_services_namespace: str = "default"
    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    node_name: str = ""
    allocatable: Mapping[str, str] = field(default_factory=dict)
    read_file: Callable[[str, str, str], str | None] | None = None
    """(volume, path, key) -> value, for fileKeyRef."""


def references(container: Obj) -> list[tuple[str, str]]:
    """The (resource, name) pairs a container's environment draws on."""
    found: list[tuple[str, str]] = []
    for source in container.get("envFrom") or ():
        for key, resource in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
            if source.get(key):
                found.append((resource, source[key].get("name") or ""))
    for item in container.get("env") or ():
        value = item.get("valueFrom") or {}
        for key, resource in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
            if value.get(key):
                found.append((resource, value[key].get("name") or ""))
    return list(dict.fromkeys(found))


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Expand `$(NAME)`; `$$` is a literal dollar; an unknown name stays as it is."""
    if "$" not in text:
        return text
    result: list[str] = []
    position = 0
    while position < len(text):
        char = text[position]
        if char != "$" or position + 1 >= len(text):
            result.append(char)
            position += 1
            continue
        following = text[position + 1]
        if following == "$":
            result.append("$")
            position += 2
        elif following == "(":
            end = text.find(")", position + 2)
            if end < 0:
                result.append("$(")
                position += 2
                continue
            name = text[position + 2 : end]
            result.append(variables.get(name, f"$({name})"))
            position = end + 1
        else:
            result.append("$" + following)
            position += 2
    return "".join(result)


def decoded(secret: Obj) -> dict[str, bytes]:
    """A Secret's data."""
    return {key: base64.b64decode(value or "") for key, value in (secret.get("data") or {}).items()}


def contents(resource: str, obj: Obj) -> dict[str, bytes]:
    """ConfigMap or Secret data as bytes."""
    if resource == "secrets":
        return decoded(obj)
    result = {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
    return result | {key: base64.b64decode(value or "") for key, value in (obj.get("binaryData") or {}).items()}


def service_variables(services: tuple[Obj, ...], namespace: str, *, links: bool) -> dict[str, str]:
    """Docker-links style variables for the services of the namespace, and always for `default/kubernetes`."""
    chosen: dict[str, Obj] = {}
    for service in services:
        meta, spec = service["metadata"], service.get("spec") or {}
        if spec.get("clusterIP") in {None, "", "None"} or not spec.get("ports"):
            continue
        master = meta["namespace"] == "default" and meta["name"] == "kubernetes"
        if meta["namespace"] == namespace and links:
            chosen[meta["name"]] = service
        elif master:
            chosen.setdefault(meta["name"], service)
    result: dict[str, str] = {}
    for name, service in chosen.items():
        result.update(_one_service(name, service["spec"]))
    return result


def _one_service(name: str, spec: Obj) -> dict[str, str]:
    prefix = name.upper().replace("-", "_")
    ip, ports = spec["clusterIP"], spec["ports"]
    result = {f"{prefix}_SERVICE_HOST": ip, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            result[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    host = f"[{ip}]" if ":" in ip else ip
    for index, port in enumerate(ports):
        protocol = (port.get("protocol") or "TCP").lower()
        url = f"{protocol}://{host}:{port['port']}"
        if index == 0:
            result[f"{prefix}_PORT"] = url
        stem = f"{prefix}_PORT_{port['port']}_{protocol.upper()}"
        result[stem] = url
        result[f"{stem}_PROTO"] = protocol
        result[f"{stem}_PORT"] = str(port["port"])
        result[f"{stem}_ADDR"] = ip
    return result


def build(pod: Obj, container: Obj, inputs: EnvironmentInputs) -> list[tuple[str, str]]:
    """The container's environment.

    Raises:
        ContainerConfigError: a required reference is missing.
    """
    result: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        result.update(_from_source(source, pod["metadata"]["namespace"], inputs))
    links = pod["spec"].get("enableServiceLinks")
    services = service_variables(inputs.services, pod["metadata"]["namespace"], links=links is not False)
    scope = dict(services)
    for item in container.get("env") or ():
        value = _value(pod, container, item, inputs, {**scope, **result})
        if value is not None:
            result[item["name"]] = value
    for key, value in services.items():
        result.setdefault(key, value)
    return list(result.items())


def _from_source(source: Obj, namespace: str, inputs: EnvironmentInputs) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    for key, resource, kind in (("configMapRef", "configmaps", "configmap"), ("secretRef", "secrets", "secret")):
        reference = source.get(key)
        if not reference:
            continue
        obj = inputs.lookup(resource, reference.get("name") or "")
        if obj is None:
            if reference.get("optional"):
                continue
            raise ContainerConfigError(f'{kind} "{reference.get("name")}" not found')
        data = (
            decoded(obj) if resource == "secrets" else {k: str(v).encode() for k, v in (obj.get("data") or {}).items()}
        )
        return {prefix + name: value.decode("utf-8", "surrogateescape") for name, value in data.items()}
    del namespace
    return {}


def _value(pod: Obj, container: Obj, item: Obj, inputs: EnvironmentInputs, scope: Mapping[str, str]) -> str | None:
    source = item.get("valueFrom")
    if not source:
        return expand(item.get("value") or "", scope)
    try:
        if source.get("fieldRef"):
            return field_value(
                pod,
                source["fieldRef"]["fieldPath"],
                pod_ips=inputs.pod_ips,
                host_ips=inputs.host_ips,
                node_name=inputs.node_name,
            )
        if source.get("resourceFieldRef"):
            return resource_value(pod, container, source["resourceFieldRef"], inputs.allocatable)
    except FieldError as error:
        raise ContainerConfigError(str(error)) from error
    if source.get("fileKeyRef"):
        return _file_key(source["fileKeyRef"], inputs)
    return _key_reference(source, pod["metadata"]["namespace"], inputs)


def _file_key(reference: Obj, inputs: EnvironmentInputs) -> str | None:
    value = inputs.read_file(reference["volumeName"], reference["path"], reference["key"]) if inputs.read_file else None
    if value is None and not reference.get("optional"):
        raise ContainerConfigError(
            f'environment variable key "{reference["key"]}" not found in file "{reference["path"]}"'
        )
    return value


def _key_reference(source: Obj, namespace: str, inputs: EnvironmentInputs) -> str | None:
    for field_name, resource, kind, title in (
        ("configMapKeyRef", "configmaps", "configmap", "ConfigMap"),
        ("secretKeyRef", "secrets", "secret", "Secret"),
    ):
        reference = source.get(field_name)
        if not reference:
            continue
        name, key = reference.get("name") or "", reference["key"]
        obj = inputs.lookup(resource, name)
        if obj is None:
            if reference.get("optional"):
                return None
            raise ContainerConfigError(f'{kind} "{name}" not found')
        raw = obj.get("data") or {}
        if key not in raw:
            if reference.get("optional"):
                return None
            raise ContainerConfigError(f"couldn't find key {key} in {title} {namespace}/{name}")
        if resource == "secrets":
            return base64.b64decode(raw[key] or "").decode("utf-8", "surrogateescape")
        return str(raw[key])
    return None
