"""AlwaysPullImages (off by default): every container pulls, so that nobody runs a private image already on the node."""

from __future__ import annotations

from apimachinery.errors import Invalid
from apimachinery.objects.field_path import FieldPath, not_supported
from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, OnResources, PluginServices

_KINDS = ("containers", "initContainers", "ephemeralContainers")


class AlwaysPullImages(OnResources):
    """The plugin."""

    name = "AlwaysPullImages"
    on = frozenset({(CREATE, "pods", ""), (UPDATE, "pods", ""), (UPDATE, "pods", "ephemeralcontainers")})

    def __init__(self, services: PluginServices) -> None:
        del services

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Set the pull policy of containers and image volumes."""
        spec: Obj = (attrs.object or {}).get("spec") or {}
        for kind in _KINDS:
            for container in spec.get(kind) or ():
                container["imagePullPolicy"] = "Always"
        for volume in spec.get("volumes") or ():
            if volume.get("image"):
                volume["image"]["pullPolicy"] = "Always"

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Refuse what somebody set back."""
        spec: Obj = (attrs.object or {}).get("spec") or {}
        problems = [
            not_supported(FieldPath("spec").child(kind).index(position).child("imagePullPolicy"), policy, ["Always"])
            for kind in _KINDS
            for position, container in enumerate(spec.get(kind) or ())
            if (policy := container.get("imagePullPolicy")) != "Always"
        ]
        if problems:
            raise Invalid.of("Pod", "", attrs.named(), problems)
