"""Pure: the downward API: `fieldPath` and `resourceFieldRef` to strings, for environment and volumes alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING
from typing import Any

from apimachinery.objects.quantity import parse_quantity

Obj = dict[str, Any]

_SUBSCRIPT = re.compile(r"^metadata\.(annotations|labels)\['(.*)'\]$")


class FieldError(Exception):
    """The reference can't be resolved."""


def quoted_map(values: Mapping[str, str]) -> str:
    """`key="value"` lines, sorted, with Go's quoting, as the downward API writes labels and annotations."""
    return "\n".join(f"{key}={go_quote(value)}" for key, value in sorted(values.items()))


def go_quote(text: str) -> str:
    """Go's strconv.Quote for printable text."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    body = "".join(
        escapes.get(c) or (c if c.isprintable() else f"\\u{ord(c):04x}" if ord(c) > 0x7F else f"\\x{ord(c):02x}")
        for c in text
    )
    return f'"{body}"'


def field_value(
    pod: Obj,
    path: str,
    *,
    pod_ips: tuple[str, ...] = (),
    host_ips: tuple[str, ...] = (),
    node_name: str = "",
) -> str:
    """One field of the pod.

    Raises:
        FieldError: the path is not supported.
    """
    meta, spec = pod["metadata"], pod["spec"]
    match = _SUBSCRIPT.match(path)
    if match:
        return str((meta.get(match.group(1)) or {}).get(match.group(2), ""))
    simple: dict[str, Callable[[], Any]] = {
        "metadata.name": lambda: meta["name"],
        "metadata.namespace": lambda: meta["namespace"],
        "metadata.uid": lambda: meta["uid"],
        "metadata.labels": lambda: quoted_map(meta.get("labels") or {}),
        "metadata.annotations": lambda: quoted_map(meta.get("annotations") or {}),
        "spec.nodeName": lambda: spec.get("nodeName") or node_name,
        "spec.serviceAccountName": lambda: spec.get("serviceAccountName") or "",
        "status.hostIP": lambda: host_ips[0] if host_ips else "",
        "status.hostIPs": lambda: ",".join(host_ips),
        "status.podIP": lambda: pod_ips[0] if pod_ips else "",
        "status.podIPs": lambda: ",".join(pod_ips),
    }
    if path not in simple:
        raise FieldError(f"unsupported fieldPath: {path}")
    return str(simple[path]())


def resource_value(pod: Obj, container: Obj, reference: Obj, allocatable: Mapping[str, str]) -> str:
    """One resource amount of a container, divided and rounded up; an absent limit is the node's allocatable amount.

    Raises:
        FieldError: unknown container or resource.
    """
    name = reference.get("containerName") or ""
    target = container
    if name and name != container.get("name"):
        every = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]
        found = next((c for c in every if c["name"] == name), None)
        if found is None:
            raise FieldError(f"container {name} not found")
        target = found
    kind, _, resource = str(reference["resource"]).partition(".")
    if kind not in {"limits", "requests"} or not resource:
        raise FieldError(f"unsupported container resource : {reference['resource']}")
    resources = target.get("resources") or {}
    raw = (resources.get(kind) or {}).get(resource)
    if raw is None and kind == "limits":
        raw = allocatable.get(resource)
    amount = parse_quantity(str(raw)) if raw is not None else parse_quantity("0")
    divisor = parse_quantity(str(reference.get("divisor") or "0"))
    if divisor == 0:
        divisor = parse_quantity("1")
    return str(int((amount / divisor).to_integral_value(ROUND_CEILING)))
