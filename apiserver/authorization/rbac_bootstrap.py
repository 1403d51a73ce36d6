"""Upstream's bootstrap roles: made from data, created at start, mended where they lost rules.

`bootstrap_objects` is pure. `ensure_bootstrap` is the shell around it: it creates what is missing and adds missing
rules and subjects, never removes any, and leaves alone what carries
`rbac.authorization.kubernetes.io/autoupdate: "false"`. The three aggregated roles are seeded with their union, so
that nothing waits for the aggregation controller.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol

from apimachinery.errors import AlreadyExists, APIError, Conflict
from apimachinery.objects.metadata import Obj
from apiserver.authorization.bootstrap_cluster_roles import (
    AGGREGATE_LABELS,
    AGGREGATED_ROLES,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    VERB_SETS,
)
from apiserver.authorization.bootstrap_controller_roles import CONTROLLER_ROLES

GROUP = "rbac.authorization.k8s.io"
API_VERSION = f"{GROUP}/v1"
AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_PREFIX = "system:controller:"
_RESOURCES = tuple(f"{plural}.{GROUP}" for plural in ("clusterroles", "clusterrolebindings", "roles", "rolebindings"))
_AT_ONCE = 32


class ObjectClient(Protocol):
    """The part of a client this needs."""

    async def list(self, resource: Any) -> Obj:
        """Read all objects of a resource."""

    async def create(self, resource: Any, obj: Obj, namespace: str | None = None) -> Obj:
        """Create one object."""

    async def update(self, resource: Any, obj: Obj) -> Obj:
        """Replace one object."""


def _words(text: str) -> list[str]:
    return sorted({word for part in text.split() for word in VERB_SETS.get(part, part).split()})


def parse_rule(line: str) -> Obj:
    """Turn one line of the data into a PolicyRule."""
    if "!" in line:
        verbs, urls = line.split("!")
        return {"nonResourceURLs": _words(urls), "verbs": _words(verbs)}
    verbs, rest = line.split("@")
    groups, rest = rest.split(" : ")
    resources, _, names = rest.partition("#")
    rule: Obj = {"apiGroups": sorted("" if group == "core" else group for group in groups.split())}
    rule["resources"] = _words(resources)
    if names:
        rule["resourceNames"] = _words(names)
    rule["verbs"] = _words(verbs)
    return rule


def _metadata(name: str, namespace: str = "", labels: dict[str, str] | None = None) -> Obj:
    meta: Obj = {
        "name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults", **(labels or {})},
        "annotations": {AUTO_UPDATE: "true"},
    }
    if namespace:
        meta["namespace"] = namespace
    return meta


def _subject(text: str) -> Obj:
    kind, name = text.split(" ", 1)
    if kind == "S":
        namespace, name = name.split("/")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"kind": {"G": "Group", "U": "User"}[kind], "name": name, "apiGroup": GROUP}


def _role(kind: str, name: str, rules: tuple[str, ...], namespace: str = "", label: str = "") -> Obj:
    labels = {f"{GROUP}/aggregate-to-{label}": "true"} if label else None
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": _metadata(name, namespace, labels),
        "rules": [parse_rule(rule) for rule in rules],
    }


def _binding(kind: str, name: str, role: tuple[str, str], subjects: tuple[str, ...], namespace: str = "") -> Obj:
    out: Obj = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": _metadata(name, namespace),
        "roleRef": {"apiGroup": GROUP, "kind": role[0], "name": role[1]},
    }
    if subjects:
        out["subjects"] = [_subject(subject) for subject in subjects]
    return out


def _aggregated(name: str, label: str) -> Obj:
    chain = {"admin": ("admin", "edit", "view"), "edit": ("edit", "view"), "view": ("view",)}[name]
    rules = tuple(rule for part in chain for rule in CLUSTER_ROLES[f"system:aggregate-to-{part}"])
    role = _role("ClusterRole", name, rules, label=label)
    role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {f"{GROUP}/aggregate-to-{name}": "true"}}]}
    return role


def bootstrap_objects() -> list[tuple[str, Obj]]:
    """Return (group resource, object) for everything upstream creates at start."""
    out: list[tuple[str, Obj]] = []
    for name, rules in CLUSTER_ROLES.items():
        out.append((f"clusterroles.{GROUP}", _role("ClusterRole", name, rules, label=AGGREGATE_LABELS.get(name, ""))))
    out += [(f"clusterroles.{GROUP}", _aggregated(name, label)) for name, label in AGGREGATED_ROLES.items()]
    for name, rules in CONTROLLER_ROLES.items():
        out.append((f"clusterroles.{GROUP}", _role("ClusterRole", _PREFIX + name, rules)))
    for name, subjects in CLUSTER_ROLE_BINDINGS.items():
        binding = _binding("ClusterRoleBinding", name, ("ClusterRole", name), subjects)
        out.append((f"clusterrolebindings.{GROUP}", binding))
    for name in CONTROLLER_ROLES:
        role = _PREFIX + name
        binding = _binding("ClusterRoleBinding", role, ("ClusterRole", role), (f"S kube-system/{name}",))
        out.append((f"clusterrolebindings.{GROUP}", binding))
    for namespace, roles in ROLES.items():
        out += [(f"roles.{GROUP}", _role("Role", name, rules, namespace)) for name, rules in roles.items()]
    for namespace, bindings in ROLE_BINDINGS.items():
        for name, (role, subjects) in bindings.items():
            out.append((f"rolebindings.{GROUP}", _binding("RoleBinding", name, ("Role", role), subjects, namespace)))
    return out


def _rule_covered(rule: Obj, have: list[Obj]) -> bool:
    keys = ("apiGroups", "resources", "resourceNames", "nonResourceURLs", "verbs")
    return any(all(set(rule.get(key, ())) == set(other.get(key) or ()) for key in keys) for other in have)


def mended(live: Obj, wanted: Obj) -> Obj | None:
    """Return the live object with what it lacks added, or None when nothing is to be done."""
    if ((live.get("metadata") or {}).get("annotations") or {}).get(AUTO_UPDATE) == "false":
        return None
    new = dict(live)
    changed = False
    # Aggregated roles are the aggregation controller's business once they exist.
    if "rules" in wanted and "aggregationRule" not in wanted:
        have = live.get("rules") or []
        missing = [rule for rule in wanted["rules"] if not _rule_covered(rule, have)]
        if missing:
            new["rules"] = [*have, *missing]
            changed = True
    if "subjects" in wanted:
        subjects = live.get("subjects") or []
        lacking = [subject for subject in wanted["subjects"] if subject not in subjects]
        if lacking:
            new["subjects"] = [*subjects, *lacking]
            changed = True
    meta = dict(live.get("metadata") or {})
    for part in ("labels", "annotations"):
        merged = {**wanted["metadata"][part], **(meta.get(part) or {})}
        if merged != (meta.get(part) or {}):
            meta[part] = merged
            changed = True
    new["metadata"] = meta
    return new if changed else None


Key = tuple[str, str, str]


async def _existing(client: ObjectClient) -> dict[Key, Obj]:
    found: dict[Key, Obj] = {}
    for resource in _RESOURCES:
        for obj in (await client.list(resource)).get("items") or ():
            meta = obj["metadata"]
            found[resource, meta.get("namespace", ""), meta["name"]] = obj
    return found


async def _ensure_one(client: ObjectClient, resource: str, wanted: Obj, live: Obj | None) -> None:
    namespace = wanted["metadata"].get("namespace")
    if live is None:
        with contextlib.suppress(AlreadyExists):
            await client.create(resource, wanted, namespace)
        return
    new = mended(live, wanted)
    if new is not None:
        new = {"apiVersion": API_VERSION, "kind": wanted["kind"], **new}
        with contextlib.suppress(Conflict):
            await client.update(resource, new)


async def _round(client: ObjectClient, wanted: list[tuple[str, Obj]]) -> list[tuple[str, Obj]]:
    """See to each object once, some at a time; return those that failed."""
    existing = await _existing(client)

    async def one(resource: str, obj: Obj) -> bool:
        meta = obj["metadata"]
        try:
            await _ensure_one(client, resource, obj, existing.get((resource, meta.get("namespace", ""), meta["name"])))
        except APIError:
            return False
        return True

    failed: list[tuple[str, Obj]] = []
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        done = await asyncio.gather(*(one(resource, obj) for resource, obj in part))
        failed += [pair for pair, fine in zip(part, done, strict=True) if not fine]
    return failed


async def ensure_bootstrap(client: ObjectClient) -> None:
    """Create or mend all bootstrap objects; retries until each has been seen to once."""
    waiting = bootstrap_objects()
    delay = 0.05
    while waiting:
        with contextlib.suppress(APIError):
            waiting = await _round(client, waiting)
        if waiting:
            # kube-system or the storage may not be there yet.
            await asyncio.sleep(delay)
            delay = min(delay * 2, 1.0)
