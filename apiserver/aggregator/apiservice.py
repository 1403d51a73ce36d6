"""APIServices: which there are for what this server serves itself, and what their conditions say (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from apimachinery.objects.conditions import set_condition
from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource

GROUP: Final = "apiregistration.k8s.io"
RESOURCE: Final = f"apiservices.{GROUP}"
AUTO: Final = "kube-aggregator.kubernetes.io/automanaged"

# group -> (group priority, version priorities other than 1..15 in order)
_PRIORITIES: Final[dict[str, int]] = {
    "": 18000,
    "events.k8s.io": 17750,
    "apps": 17800,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
    "resource.k8s.io": 15900,
}


def name_of(group: str, version: str) -> str:
    """Return the name of the APIService of a group version."""
    return f"{version}.{group}"


def _version_priority(version: str) -> int:
    stage = 15 if "beta" not in version and "alpha" not in version else 9
    digits = "".join(c for c in version.split("beta")[0].split("alpha")[0] if c.isdigit())
    return stage + max(int(digits or "1") - 1, 0)


def local_services(resources: Iterable[Resource], custom: Iterable[Resource]) -> dict[str, Obj]:
    """Return the APIServices for everything this server serves itself."""
    built_in = {(resource.group, resource.version) for resource in resources}
    ours = {(resource.group, resource.version) for resource in custom}
    out: dict[str, Obj] = {}
    for group, version in sorted(built_in | ours):
        if group == GROUP:
            continue
        by_crd = (group, version) in ours
        name = name_of(group, version)
        out[name] = {
            "apiVersion": f"{GROUP}/v1",
            "kind": "APIService",
            "metadata": {"name": name, "labels": {AUTO: "true" if by_crd else "onstart"}},
            "spec": {
                **({"group": group} if group else {}),
                "version": version,
                "groupPriorityMinimum": 1000 if by_crd else _PRIORITIES.get(group, 15000),
                "versionPriority": 100 if by_crd else _version_priority(version),
            },
        }
    return out


def available(service: Obj) -> bool:
    """Tell whether the last check found it available."""
    conditions = (service.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Available" and one.get("status") == "True" for one in conditions)


def with_condition(service: Obj, now: str, *, ok: bool, reason: str, message: str) -> Obj | None:
    """Return the service with its Available condition set, None when it says so already."""
    status = dict(service.get("status") or {})
    before: list[Any] = list(status.get("conditions") or ())
    new = {"type": "Available", "status": "True" if ok else "False", "reason": reason, "message": message}
    known: Obj = next((one for one in before if one.get("type") == "Available"), {})
    if all(known.get(key) == value for key, value in new.items()):
        return None
    status["conditions"] = set_condition(before, new, now)
    return {**service, "status": status}


def remote(service: Obj) -> Obj | None:
    """Return spec.service of an aggregated APIService, None of a local one."""
    found: Obj | None = (service.get("spec") or {}).get("service")
    return found
