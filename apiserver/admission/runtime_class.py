"""RuntimeClass: a Pod's runtime class must exist; its overhead and scheduling rules go into the Pod."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from apimachinery.errors import NotFound
from apimachinery.objects.metadata import Obj
from apimachinery.objects.quantity import parse_quantity
from apiserver.admission.chain import CREATE, AdmissionAttributes, OnResources, PluginServices
from apiserver.admission.tolerations import merged_tolerations

_CLASSES: Final = "runtimeclasses.node.k8s.io"
_OTHER_OVERHEAD: Final = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"


class RuntimeClass(OnResources):
    """The plugin."""

    name = "RuntimeClass"
    on = frozenset({(CREATE, "pods", "")})

    def __init__(self, services: PluginServices) -> None:
        self._classes = services.listers(_CLASSES)
        self._client = services.client

    async def _class(self, attrs: AdmissionAttributes, name: str) -> Obj:
        found: Obj | None = self._classes.get(None, name)
        if found is not None:
            return found
        try:
            live: Obj = await self._client.get(_CLASSES, name)
        except NotFound:
            raise attrs.forbidden(f'pod rejected: RuntimeClass "{name}" not found') from None
        return live

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Fill overhead, node selector and tolerations."""
        pod: Any = attrs.object
        spec = pod["spec"]
        name = spec.get("runtimeClassName")
        if not name:
            return
        found = await self._class(attrs, name)
        fixed = (found.get("overhead") or {}).get("podFixed")
        if fixed:
            if spec.get("overhead") and not _same(spec["overhead"], fixed):
                raise attrs.forbidden(_OTHER_OVERHEAD)
            spec["overhead"] = dict(fixed)
        scheduling = found.get("scheduling") or {}
        selector = dict(spec.get("nodeSelector") or {})
        for key, value in (scheduling.get("nodeSelector") or {}).items():
            if key in selector and selector[key] != value:
                raise attrs.forbidden(
                    f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                    f"pod.spec.nodeSelector[{key}] = {selector[key]}"
                )
            selector[key] = value
        if selector:
            spec["nodeSelector"] = selector
        tolerations = list(spec.get("tolerations") or ())
        tolerations = merged_tolerations([*(scheduling.get("tolerations") or ()), *tolerations])
        if tolerations:
            spec["tolerations"] = tolerations

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Refuse overhead other than the class's."""
        spec = (attrs.object or {}).get("spec") or {}
        name, overhead = spec.get("runtimeClassName"), spec.get("overhead")
        fixed = ((await self._class(attrs, name)).get("overhead") or {}).get("podFixed") if name else None
        if fixed and not _same(overhead or {}, fixed):
            raise attrs.forbidden(_OTHER_OVERHEAD)
        if overhead and not fixed:
            raise attrs.forbidden("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")


def _same(left: Obj, right: Obj) -> bool:
    def exact(resources: Obj) -> dict[str, Decimal]:
        return {key: parse_quantity(str(value)) for key, value in resources.items()}

    return exact(left) == exact(right)
