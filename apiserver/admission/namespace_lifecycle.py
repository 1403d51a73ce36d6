"""NamespaceLifecycle: nothing new in namespaces that are missing or going; the system's own stay."""

from __future__ import annotations

from typing import Final

from apimachinery.errors import NotFound
from apimachinery.objects.metadata import Obj
from apimachinery.resources import lookup
from apiserver.admission.chain import CREATE, DELETE, AdmissionAttributes, PluginServices

IMMORTAL: Final = frozenset({"default", "kube-system", "kube-public"})
# Reviews create nothing, so a namespace on its way out is no obstacle.
_REVIEWS: Final = frozenset({"localsubjectaccessreviews.authorization.k8s.io"})


class NamespaceLifecycle:
    """The plugin."""

    name = "NamespaceLifecycle"

    def __init__(self, services: PluginServices) -> None:
        self._namespaces = services.listers("namespaces")
        self._client = services.client

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """Creates everywhere, deletes of namespaces."""
        del subresource
        if operation == DELETE:
            return group_resource == "namespaces"
        return operation == CREATE and group_resource not in _REVIEWS

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Refuse what has no living namespace."""
        if attrs.operation == DELETE:
            if attrs.name in IMMORTAL:
                raise attrs.forbidden("this namespace may not be deleted")
            return
        if not attrs.namespace or attrs.group_resource == "namespaces":
            return
        found: Obj | None = self._namespaces.get(None, attrs.namespace)
        if found is None or _terminating(found):
            # The cache may be behind: a namespace just made, or made anew after its deletion.
            found = await self._live(attrs.namespace)
        if _terminating(found):
            raise self._refusal(attrs)

    async def _live(self, name: str) -> Obj:
        try:
            found: Obj = await self._client.get("namespaces", name)
        except NotFound:
            raise NotFound.of(lookup("namespaces"), name) from None
        return found

    def _refusal(self, attrs: AdmissionAttributes) -> Exception:
        namespace = attrs.namespace
        error = attrs.forbidden(f"unable to create new content in namespace {namespace} because it is being terminated")
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
        error.details = {**(error.details or {}), "causes": [cause]}
        return error


def _terminating(namespace: Obj) -> bool:
    return bool((namespace.get("status") or {}).get("phase") == "Terminating")
