"""Containers: defaults of images' pull policy, ports, probes, hooks and environment."""

from typing import Any

from apimachinery.objects.metadata import Obj

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
