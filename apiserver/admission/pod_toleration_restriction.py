"""PodTolerationRestriction (off by default): a namespace gives its Pods tolerations, and bounds what they may have.

Annotations of the namespace hold both as JSON; the plugin's configuration has the cluster's for namespaces without.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from apimachinery.objects import pods
from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, OnResources, PluginServices
from apiserver.admission.tolerations import covers, merged_tolerations

_PREFIX: Final = "scheduler.alpha.kubernetes.io/"
_MEMORY: Final = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}


class PodTolerationRestriction(OnResources):
    """The plugin."""

    name = "PodTolerationRestriction"
    on = frozenset({(CREATE, "pods", ""), (UPDATE, "pods", "")})

    def __init__(self, services: PluginServices) -> None:
        self._namespaces = services.listers("namespaces")
        self._configuration = services.configuration.get(self.name) or {}

    def _listed(self, attrs: AdmissionAttributes, annotation: str, field: str) -> list[Obj]:
        namespace: Obj = self._namespaces.get(None, attrs.namespace) or {}
        text = ((namespace.get("metadata") or {}).get("annotations") or {}).get(_PREFIX + annotation)
        if text is None:
            return list(self._configuration.get(field) or ())
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise attrs.forbidden(f"namespace annotation {_PREFIX}{annotation}: {error}") from error
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise attrs.forbidden(f"namespace annotation {_PREFIX}{annotation}: must be a list of tolerations")
        return found

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Give the Pod its namespace's tolerations, and one for memory pressure where it states what it needs."""
        pod: Any = attrs.object
        tolerations = list(pod["spec"].get("tolerations") or ())
        if attrs.operation == CREATE:
            tolerations = merged_tolerations([*self._listed(attrs, "defaultTolerations", "default"), *tolerations])
        if pods.qos_class(pod) != "BestEffort":
            tolerations = merged_tolerations([*tolerations, dict(_MEMORY)])
        if tolerations:
            pod["spec"]["tolerations"] = tolerations

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Hold the Pod's tolerations to the namespace's list."""
        tolerations = ((attrs.object or {}).get("spec") or {}).get("tolerations") or ()
        allowed = self._listed(attrs, "tolerationsWhitelist", "whitelist") if tolerations else []
        if allowed and not all(any(covers(wide, one) for wide in allowed) for one in tolerations):
            raise attrs.forbidden(
                "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace "
                "whitelist"
            )
