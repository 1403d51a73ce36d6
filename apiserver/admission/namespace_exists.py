"""NamespaceExists and NamespaceAutoProvision (off by default): what happens in a namespace that isn't there."""

from __future__ import annotations

from apimachinery.errors import AlreadyExists, NotFound
from apiserver.admission.chain import CREATE, DELETE, UPDATE, AdmissionAttributes, PluginServices


class NamespaceExists:
    """Refuses requests in missing namespaces, deletes included."""

    name = "NamespaceExists"

    def __init__(self, services: PluginServices) -> None:
        self._namespaces = services.listers("namespaces")
        self._client = services.client

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """All writes but those of namespaces."""
        del subresource
        return operation in (CREATE, UPDATE, DELETE) and group_resource != "namespaces"

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Look the namespace up; `NotFound`."""
        if attrs.namespace and self._namespaces.get(None, attrs.namespace) is None:
            await self._client.get("namespaces", attrs.namespace)


class NamespaceAutoProvision:
    """Makes missing namespaces."""

    name = "NamespaceAutoProvision"

    def __init__(self, services: PluginServices) -> None:
        self._namespaces = services.listers("namespaces")
        self._client = services.client

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """Creates of everything but namespaces."""
        del subresource
        return operation == CREATE and group_resource != "namespaces"

    async def admit(self, attrs: AdmissionAttributes) -> None:
        """Create the namespace when it is not there."""
        if attrs.dry_run or not attrs.namespace or self._namespaces.get(None, attrs.namespace) is not None:
            return
        try:
            await self._client.get("namespaces", attrs.namespace)
        except NotFound:
            try:
                namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": attrs.namespace}}
                await self._client.create("namespaces", namespace)
            except AlreadyExists:
                return
