"""Discovery documents: `/api`, `/apis`, the lists of a group's versions and resources, legacy and aggregated (v2).

Pure builders from resource identities; the routes cache and serve what they make.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from apimachinery.objects.metadata import Obj
from apimachinery.resources import Resource

# The order in which upstream lists its groups; kubectl resolves a short name to the first group that has it.
_GROUP_ORDER = (
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
)
_RANK = {group: rank for rank, group in enumerate(_GROUP_ORDER)}
# What is not stored in the version it is served in.
_STORED_AS = {
    "events.events.k8s.io": ("", "v1"),
    "horizontalpodautoscalers.autoscaling": ("autoscaling", "v2"),
}
_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_READ_WRITE = ("get", "patch", "update")
_PROXY = ("create", "delete", "get", "patch", "update")

# (resource or any, subresource) to its verbs, and its kind where it is not the resource's own.
_SUBRESOURCES: dict[tuple[str, str], tuple[Sequence[str], tuple[str, str, str] | None]] = {
    ("", "status"): (_READ_WRITE, None),
    ("", "scale"): (_READ_WRITE, ("autoscaling", "v1", "Scale")),
    ("pods", "attach"): (("create", "get"), ("", "v1", "PodAttachOptions")),
    ("pods", "binding"): (("create",), ("", "v1", "Binding")),
    ("pods", "ephemeralcontainers"): (_READ_WRITE, None),
    ("pods", "eviction"): (("create",), ("policy", "v1", "Eviction")),
    ("pods", "exec"): (("create", "get"), ("", "v1", "PodExecOptions")),
    ("pods", "log"): (("get",), None),
    ("pods", "portforward"): (("create", "get"), ("", "v1", "PodPortForwardOptions")),
    ("pods", "proxy"): (_PROXY, ("", "v1", "PodProxyOptions")),
    ("pods", "resize"): (_READ_WRITE, None),
    ("services", "proxy"): (_PROXY, ("", "v1", "ServiceProxyOptions")),
    ("nodes", "proxy"): (_PROXY, ("", "v1", "NodeProxyOptions")),
    ("namespaces", "finalize"): (("update",), None),
    ("serviceaccounts", "token"): (("create",), ("authentication.k8s.io", "v1", "TokenRequest")),
}


def group_rank(group: str) -> tuple[int, str]:
    """Sorts groups as upstream does: its own first, then custom ones by name."""
    return (_RANK.get(group, len(_RANK)), group)


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sorts versions of a group, the preferred one first: v2, v1, v1beta1, v1alpha1, others by name."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (stage, -int(match[1]), -int(match[3] or 0), version)


def _by_group(resources: Iterable[Resource]) -> dict[str, dict[str, list[Resource]]]:
    found: dict[str, dict[str, list[Resource]]] = {}
    for resource in resources:
        found.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
    return {
        group: {version: found[group][version] for version in sorted(found[group], key=version_rank)}
        for group in sorted(found, key=group_rank)
    }


def api_versions(server_address: str = "") -> Obj:
    """`/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    }


def api_group(group: str, versions: Sequence[str], *, bare: bool = False) -> Obj:
    """`/apis/<group>`; without kind where it stands in a list.

    Args:
        group: Its name.
        versions: Its versions, in any order.
        bare: It is an item of an APIGroupList.
    """
    listed = [{"groupVersion": f"{group}/{one}", "version": one} for one in sorted(versions, key=version_rank)]
    made: Obj = {} if bare else {"kind": "APIGroup", "apiVersion": "v1"}
    return {**made, "name": group, "versions": listed, "preferredVersion": listed[0]}


def api_group_list(resources: Iterable[Resource], extra: Iterable[tuple[str, str]] = ()) -> Obj:
    """`/apis`.

    Args:
        resources: What is served here, custom resources included.
        extra: (group, version) pairs served by extension API servers.
    """
    versions: dict[str, list[str]] = {}
    pairs = [(resource.group, resource.version) for resource in resources]
    for group, version in (*pairs, *extra):
        if group and version not in versions.setdefault(group, []):
            versions[group].append(version)
    groups = [api_group(group, versions[group], bare=True) for group in sorted(versions, key=group_rank)]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _subresource(resource: Resource, name: str) -> tuple[list[str], tuple[str, str, str]]:
    row = _SUBRESOURCES.get((resource.plural, name)) or _SUBRESOURCES.get(("", name)) or (_READ_WRITE, None)
    verbs, kind = row
    return list(verbs), kind or (resource.group, resource.version, resource.kind)


def _storage_hash(resource: Resource, stored: Mapping[str, str]) -> str:
    """What changes with the version a resource is stored in."""
    group, version = _STORED_AS.get(resource.group_resource, (resource.group, resource.version))
    version = stored.get(resource.group_resource, version)
    digest = hashlib.sha256(f"{group}/{version}/{resource.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def api_resource_list(
    group: str, version: str, resources: Iterable[Resource], stored: Mapping[str, str] = MappingProxyType({})
) -> Obj:
    """`/api/v1` and `/apis/<group>/<version>`.

    Args:
        group: The group; empty for the core.
        version: Its version.
        resources: What is served; others than the group version's are passed over.
        stored: The storage versions of custom resources, by group resource.
    """
    rows: list[Obj] = []
    for resource in resources:
        if (resource.group, resource.version) != (group, version):
            continue
        row: Obj = {
            "name": resource.plural,
            "singularName": resource.singular or resource.kind.lower(),
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": sorted(resource.verbs),
        }
        if resource.short_names:
            row["shortNames"] = list(resource.short_names)
        if resource.categories:
            row["categories"] = list(resource.categories)
        if "watch" in resource.verbs:
            row["storageVersionHash"] = _storage_hash(resource, stored)
        rows.append(row)
        for name in resource.subresources:
            verbs, (kind_group, kind_version, kind) = _subresource(resource, name)
            row = {
                "name": f"{resource.plural}/{name}",
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": kind,
                "verbs": verbs,
            }
            if (kind_group, kind_version) != (group, version):
                row["group"] = kind_group
                row["version"] = kind_version
            rows.append(row)
    rows.sort(key=lambda row: row["name"])
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": rows,
    }


def _gvk(group: str, version: str, kind: str) -> Obj:
    return {"group": group, "version": version, "kind": kind}


def _aggregated_resource(resource: Resource) -> Obj:
    made: Obj = {
        "resource": resource.plural,
        "responseKind": _gvk(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular or resource.kind.lower(),
        "verbs": sorted(resource.verbs),
    }
    if resource.short_names:
        made["shortNames"] = list(resource.short_names)
    if resource.categories:
        made["categories"] = list(resource.categories)
    subresources = []
    for name in sorted(resource.subresources):
        verbs, kind = _subresource(resource, name)
        subresources.append({"subresource": name, "responseKind": _gvk(*kind), "verbs": verbs})
    if subresources:
        made["subresources"] = subresources
    return made


def aggregated(resources: Iterable[Resource], *, core: bool, extra: Iterable[Obj] = (), version: str = "v2") -> Obj:
    """The aggregated document of `/api` (core) or `/apis`: an APIGroupDiscoveryList.

    Args:
        resources: What is served here, custom resources included.
        core: Of the core group, or of all others.
        extra: Items of other API servers (APIGroupDiscovery).
        version: `v2` or `v2beta1`.
    """
    items: list[Obj] = []
    for group, versions in _by_group(one for one in resources if bool(one.group) != core).items():
        listed = [
            {
                "version": name,
                "resources": [_aggregated_resource(one) for one in sorted(found, key=lambda one: one.plural)],
                "freshness": "Current",
            }
            for name, found in versions.items()
        ]
        metadata: Obj = {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None}
        items.append({"metadata": metadata, "versions": listed})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [*items, *extra],
    }
