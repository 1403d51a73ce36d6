"""DefaultIngressClass: Ingresses that name no class get the default one."""

from __future__ import annotations

from typing import Any, Final

from apiserver.admission.chain import CREATE, AdmissionAttributes, OnResources, PluginServices
from apiserver.admission.default_storage_class import newest

_MARK: Final = "ingressclass.kubernetes.io/is-default-class"
_OLD: Final = "kubernetes.io/ingress.class"


class DefaultIngressClass(OnResources):
    """The plugin."""

    name = "DefaultIngressClass"
    on = frozenset({(CREATE, "ingresses.networking.k8s.io", "")})

    def __init__(self, services: PluginServices) -> None:
        self._classes = services.listers("ingressclasses.networking.k8s.io")

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Name the default class."""
        ingress: Any = attrs.object
        spec = ingress.setdefault("spec", {})
        if spec.get("ingressClassName") is not None or _OLD in (ingress["metadata"].get("annotations") or {}):
            return
        marked = [
            found for found in self._classes.list() if (found["metadata"].get("annotations") or {}).get(_MARK) == "true"
        ]
        chosen = newest(marked)
        if chosen is not None:
            spec["ingressClassName"] = chosen["metadata"]["name"]
