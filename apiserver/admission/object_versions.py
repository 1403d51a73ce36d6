"""Other served versions of a resource, and objects brought into them.

A rule for `v1` of a resource is also for requests to its `v2` (matchPolicy Equivalent); the webhook or policy then gets
the object as `v1`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from apimachinery.objects.metadata import Obj
from apimachinery.resources import RESOURCES, Resource
from apiserver.admission.webhook_client import WebhookClient
from apiserver.registry.autoscaling import horizontal_pod_autoscaler

_CRDS: Final = "customresourcedefinitions.apiextensions.k8s.io"
# (group, kind, version wanted) -> how a built-in object of the other version becomes one
_BUILT_IN: Final[dict[tuple[str, str, str], Callable[[Obj], Obj]]] = {
    ("autoscaling", "HorizontalPodAutoscaler", "v1"): horizontal_pod_autoscaler.from_v2,
    ("autoscaling", "HorizontalPodAutoscaler", "v2"): horizontal_pod_autoscaler.to_v2,
}


class ObjectVersions:
    """Knows the versions and converts."""

    def __init__(self, listers: Callable[[str], Any], client: WebhookClient) -> None:
        self._crds = listers(_CRDS)
        self._client = client
        self._built_in: dict[tuple[str, str], list[Resource]] = {}
        for resource in RESOURCES:
            self._built_in.setdefault((resource.group, resource.plural), []).append(resource)

    def others(self, resource: Resource) -> list[Resource]:
        """Return the other served versions of a resource."""
        known = self._built_in.get((resource.group, resource.plural))
        if known is not None:
            return [other for other in known if other.version != resource.version]
        crd = self._crds.get(None, resource.group_resource)
        if crd is None:
            return []
        from apiserver.apiextensions import crd as definitions

        found = [definitions.resource(crd, version) for version in definitions.served_versions(crd)]
        return [other for other in found if other.version != resource.version]

    async def convert(self, obj: Obj | None, source: Resource, target: Resource) -> Obj | None:
        """Return an object of one version in another; what is not of the resource's own kind stays as it is."""
        if obj is None or source.version == target.version or obj.get("kind") != source.kind:
            return obj
        copied: Obj = orjson.loads(orjson.dumps(obj))
        built_in = _BUILT_IN.get((target.group, target.kind, target.version))
        if built_in is not None:
            return built_in(copied)
        crd = self._crds.get(None, source.group_resource)
        if crd is None:
            return {**copied, "apiVersion": target.api_version}
        from apiserver.apiextensions.conversion import converter

        return (await converter(crd, self._client).convert([copied], target.api_version))[0]
