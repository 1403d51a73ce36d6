"""Pure: whether a pod may start on this node; a refusal is (reason, message) with upstream's wording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubelet.resources.amounts import milli, pod_requests, whole
from kubelet.resources.qos import is_critical

Obj = dict[str, Any]

SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
REJECTED = "Pod was rejected: "


def admit(
    pod: Obj, others: list[Obj], allocatable: Mapping[str, str], labels: Mapping[str, str], node: str
) -> tuple[str, str] | None:
    """None = admitted. `others`: pods that hold resources now."""
    mine = [p for p in others if p["metadata"]["uid"] != pod["metadata"]["uid"]]
    if not allocatable:
        return None
    if len(mine) + 1 > int(allocatable.get("pods", "110")):
        return _out_of("pods", 1, len(mine), int(allocatable["pods"]))
    if not is_critical(pod):
        short = insufficient(pod, mine, allocatable)
        if short is not None:
            return _out_of(*short)
    if not _selected(pod, labels, node):
        return (
            "NodeAffinity",
            f"{REJECTED}Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        )
    taken = [port for other in mine for port in _ports(other)]
    if any(_collide(port, other) for port in _ports(pod) for other in taken):
        text = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
        return "NodePorts", REJECTED + text
    return None


def _out_of(resource: str, requested: int, used: int, total: int) -> tuple[str, str]:
    text = f"Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {total}"
    return f"OutOf{resource}", REJECTED + text


def insufficient(pod: Obj, others: list[Obj], allocatable: Mapping[str, str]) -> tuple[str, int, int, int] | None:
    """The first resource that does not suffice: (resource, requested, used, capacity)."""
    requested = pod_requests(pod)
    used: dict[str, int] = {}
    for other in others:
        for key, value in pod_requests(other).items():
            used[key] = used.get(key, 0) + value
    for key, value in requested.items():
        total = milli(allocatable.get(key)) if key == "cpu" else whole(allocatable.get(key))
        foreign = "/" in key and key not in allocatable
        if value and not foreign and used.get(key, 0) + value > total:
            return key, value, used.get(key, 0), total
    return None


def infeasible(pod: Obj, allocatable: Mapping[str, str]) -> str:
    """Why a pod of this size could never run here; empty if it could."""
    short = insufficient(pod, [], allocatable)
    if short is None:
        return ""
    resource, requested, _, total = short
    return f"Node didn't have enough capacity: {resource}, requested: {requested}, capacity: {total}"


def forbidden_sysctl(pod: Obj, allowed: tuple[str, ...]) -> tuple[str, str] | None:
    """Refuse sysctls that are neither safe nor allowed by the configuration, or that the pod's namespaces don't
    isolate.
    """
    spec = pod["spec"]
    for item in (spec.get("securityContext") or {}).get("sysctls") or ():
        name = str(item["name"]).replace("/", ".")
        listed = name in SAFE_SYSCTLS or any(
            name == a or (a.endswith("*") and name.startswith(a[:-1])) for a in allowed
        )
        shared = (name.startswith("net.") and spec.get("hostNetwork")) or (
            name.startswith(("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")) and spec.get("hostIPC")
        )
        if not listed or shared:
            return "SysctlForbidden", f'{REJECTED}forbidden sysctl: "{item["name"]}" not allowlisted'
    return None


def _collide(one: tuple[str, int, str], other: tuple[str, int, str]) -> bool:
    return one[:2] == other[:2] and (one[2] == other[2] or "" in (one[2], other[2]))


def _ports(pod: Obj) -> set[tuple[str, int, str]]:
    found = set()
    for container in [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]:
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                address = port.get("hostIP") or ""
                everywhere = address in ("0.0.0.0", "::")
                found.add((port.get("protocol") or "TCP", int(port["hostPort"]), "" if everywhere else address))
    return found


def _selected(pod: Obj, labels: Mapping[str, str], node: str) -> bool:
    selector = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(k) != v for k, v in selector.items()):
        return False
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if not affinity:
        return True
    return any(_term(term, labels, node) for term in affinity.get("nodeSelectorTerms") or ())


def _term(term: Obj, labels: Mapping[str, str], node: str) -> bool:
    rows = [(e, labels.get(e["key"])) for e in term.get("matchExpressions") or ()]
    rows += [(e, node if e["key"] == "metadata.name" else None) for e in term.get("matchFields") or ()]
    return bool(rows) and all(_matches(expression, value) for expression, value in rows)


def _matches(expression: Obj, value: str | None) -> bool:
    values = expression.get("values") or []
    operator = expression["operator"]
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    if value is None or not value.lstrip("-").isdigit():
        return False
    return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])
