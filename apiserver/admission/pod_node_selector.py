"""PodNodeSelector (off by default): a namespace says on which Nodes its Pods run.

The annotation `scheduler.alpha.kubernetes.io/node-selector`, or the cluster's default from the plugin's configuration,
is merged into each Pod; what the configuration lists for a namespace bounds what its Pods may select.
"""

from __future__ import annotations

from typing import Any, Final

from apimachinery.objects.label_selector_grammar import parse_label_selector
from apimachinery.objects.metadata import Obj
from apimachinery.objects.selectors import SelectorError
from apiserver.admission.chain import CREATE, AdmissionAttributes, OnResources, PluginServices

_ANNOTATION: Final = "scheduler.alpha.kubernetes.io/node-selector"
_DEFAULT: Final = "clusterDefaultNodeSelector"


def as_map(text: str) -> dict[str, str]:
    """Return `a=b,c=d` as labels; ValueError for what is no equality."""
    out: dict[str, str] = {}
    for one in parse_label_selector(text).requirements:
        if one.operator != "in" or len(one.values) != 1:
            raise SelectorError(f"{text!r} is not of the form key=value,key=value")
        out[one.key] = next(iter(one.values))
    return out


class PodNodeSelector(OnResources):
    """The plugin."""

    name = "PodNodeSelector"
    on = frozenset({(CREATE, "pods", "")})

    def __init__(self, services: PluginServices) -> None:
        self._namespaces = services.listers("namespaces")
        raw = (services.configuration.get(self.name) or {}).get("podNodeSelectorPluginConfig") or {}
        self._configured = {str(key): as_map(str(value or "")) for key, value in raw.items()}

    def _selector(self, attrs: AdmissionAttributes) -> dict[str, str]:
        namespace: Obj = self._namespaces.get(None, attrs.namespace) or {}
        text = ((namespace.get("metadata") or {}).get("annotations") or {}).get(_ANNOTATION)
        if text is None:
            return self._configured.get(_DEFAULT, {})
        try:
            return as_map(text)
        except SelectorError as error:
            raise attrs.forbidden(f"namespace annotation {_ANNOTATION}: {error}") from error

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Merge the namespace's selector into the Pod's."""
        pod: Any = attrs.object
        wanted, own = self._selector(attrs), pod["spec"].get("nodeSelector") or {}
        if any(own.get(key, value) != value for key, value in wanted.items()):
            raise attrs.forbidden("pod node label selector conflicts with its namespace node label selector")
        if wanted:
            pod["spec"]["nodeSelector"] = {**wanted, **own}

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Hold the Pod's selector to what is listed for its namespace."""
        selector = ((attrs.object or {}).get("spec") or {}).get("nodeSelector") or {}
        listed = self._configured.get(attrs.namespace)
        if listed and any(listed.get(key) != value for key, value in selector.items()):
            raise attrs.forbidden("pod node label selector labels conflict with its namespace whitelist")
