"""Probes and hooks: validation of what they do."""

import re

from apimachinery.apis.field_rules import Errors, non_negative, one_of, port_number, port_or_name
from apimachinery.objects.field_path import FieldPath, forbidden, invalid, required
from apimachinery.objects.metadata import Obj

_HANDLER_KINDS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_HTTP_SCHEMES = ("HTTP", "HTTPS")
_HEADER = re.compile(r"[-A-Za-z0-9]+")
_HEADER_RULE = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
    "validation is '[-A-Za-z0-9]+')"
)


def validate_handler(handler: Obj, path: FieldPath, *, grace: int | None = None) -> Errors:
    """What is wrong with what a probe or hook does; `grace`: how long a hook may sleep."""
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
        for header in http.get("httpHeaders") or ():
            name = header.get("name") or ""
            if not _HEADER.fullmatch(name):
                errors.append(invalid(here.child("httpHeaders"), name, _HEADER_RULE))
    tcp = handler.get("tcpSocket")
    if tcp is not None:
        errors.extend(port_or_name(tcp.get("port"), path.child("tcpSocket", "port")))
    grpc = handler.get("grpc")
    if grpc is not None:
        errors.extend(port_number(grpc.get("port"), path.child("grpc", "port")))
    sleep = handler.get("sleep")
    if sleep is not None and grace is not None and not 0 <= (sleep.get("seconds") or 0) <= grace:
        told = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        errors.append(invalid(path.child("sleep"), sleep.get("seconds") or 0, told))
    return errors


def validate_probe(probe: Obj, path: FieldPath, *, once: bool) -> Errors:
    """What is wrong with a probe; `once`: a single success must do (all but readiness)."""
    errors = validate_handler(probe, path)
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        errors.extend(non_negative(probe.get(field), path.child(field)))
    if once and probe.get("successThreshold", 1) != 1:
        errors.append(invalid(path.child("successThreshold"), probe["successThreshold"], "must be 1"))
    seconds = probe.get("terminationGracePeriodSeconds")
    if seconds is not None:
        here = path.child("terminationGracePeriodSeconds")
        if not once:
            errors.append(invalid(here, seconds, "must not be set for readinessProbes"))
        elif seconds <= 0:
            errors.append(invalid(here, seconds, "must be greater than 0"))
    return errors
