"""What a Pod is, told from its object alone: ready, over, what it requests, its QoS class."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from apimachinery.objects.conditions import is_true
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import parse_quantity

_QOS_RESOURCES = ("cpu", "memory")
_ZERO = Decimal(0)


def is_ready(pod: Obj) -> bool:
    """Whether the Ready condition is True."""
    return is_true(pod.get("status"), "Ready")


def is_terminal(pod: Obj) -> bool:
    """Whether the phase is Succeeded or Failed."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_active(pod: Obj) -> bool:
    """Whether it neither ended nor is being deleted."""
    return not is_terminal(pod) and not (pod.get("metadata") or {}).get("deletionTimestamp")


def is_sidecar(container: Obj) -> bool:
    """Whether an init container is restartable (KEP-753)."""
    return container.get("restartPolicy") == "Always"


def all_containers(pod: Obj) -> Iterator[Obj]:
    """Init containers, containers, ephemeral containers."""
    spec = pod.get("spec") or {}
    for key in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(key) or ()


def _amounts(container: Obj, kind: str) -> dict[str, Decimal]:
    listed = ((container.get("resources") or {}).get(kind)) or {}
    return {name: parse_quantity(value) for name, value in listed.items()}


def _add(total: dict[str, Decimal], more: dict[str, Decimal]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, _ZERO) + value


def _max(total: dict[str, Decimal], other: dict[str, Decimal]) -> None:
    for name, value in other.items():
        if value > total.get(name, _ZERO):
            total[name] = value


def resources(pod: Obj, kind: str = "requests", *, overhead: bool = True) -> dict[str, Decimal]:
    """What a pod needs: containers and sidecars together, or the largest init step, plus overhead (KEP-753, KEP-2837).

    Args:
        pod: The object.
        kind: `requests` or `limits`.
        overhead: Whether what the runtime itself needs counts.
    """
    spec = pod.get("spec") or {}
    total: dict[str, Decimal] = {}
    for container in spec.get("containers") or ():
        _add(total, _amounts(container, kind))
    sidecars: dict[str, Decimal] = {}
    largest: dict[str, Decimal] = {}
    for container in spec.get("initContainers") or ():
        amounts = _amounts(container, kind)
        if is_sidecar(container):
            _add(total, amounts)
            _add(sidecars, amounts)
            _max(largest, sidecars)
        else:
            _add(amounts, sidecars)
            _max(largest, amounts)
    _max(total, largest)
    total.update(_amounts(spec, kind))
    if not overhead:
        return total
    fixed = {name: parse_quantity(value) for name, value in (spec.get("overhead") or {}).items()}
    if kind == "requests":
        _add(total, fixed)
    else:
        _add(total, {name: value for name, value in fixed.items() if name in total})
    return total


def requests(pod: Obj) -> dict[str, Decimal]:
    """What a pod requests, by resource name."""
    return resources(pod, "requests")


def limits(pod: Obj) -> dict[str, Decimal]:
    """What a pod is limited to, by resource name."""
    return resources(pod, "limits")


def qos_class(pod: Obj) -> str:
    """Guaranteed, Burstable or BestEffort."""
    spec = pod.get("spec") or {}
    pod_level = spec.get("resources") or {}
    rows: list[Any] = (
        [pod_level]
        if pod_level.get("requests") or pod_level.get("limits")
        else [
            container.get("resources") or {}
            for key in ("initContainers", "containers")
            for container in spec.get(key) or ()
        ]
    )
    any_amount, guaranteed = False, True
    for row in rows:
        wanted, most = row.get("requests") or {}, row.get("limits") or {}
        for name in _QOS_RESOURCES:
            request, limit = wanted.get(name, most.get(name)), most.get(name)
            request_value = parse_quantity(request) if request is not None else _ZERO
            limit_value = parse_quantity(limit) if limit is not None else _ZERO
            if request_value or limit_value:
                any_amount = True
            if not limit_value or request_value != limit_value:
                guaranteed = False
    if not any_amount:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def host_ports(pod: Obj) -> list[tuple[str, str, int]]:
    """Host ports as (address, protocol, port)."""
    return [
        (port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", port["hostPort"])
        for container in all_containers(pod)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]
