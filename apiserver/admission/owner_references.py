"""OwnerReferencesPermissionEnforcement (off by default): owners may be changed by those who may delete."""

from __future__ import annotations

from typing import Any

from apimachinery.objects.metadata import Obj
from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, PluginServices
from apiserver.authorization.attributes import AuthorizationAttributes


def _owners(obj: Obj | None) -> list[Obj]:
    return ((obj or {}).get("metadata") or {}).get("ownerReferences") or []


class OwnerReferencesPermissionEnforcement:
    """The plugin."""

    name = "OwnerReferencesPermissionEnforcement"

    def __init__(self, services: PluginServices) -> None:
        self._authorizer: Any = services.authorizer

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """All writes of whole objects."""
        del group_resource
        return operation in (CREATE, UPDATE) and not subresource

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Ask whether the user may delete the object whose owners change."""
        new, old = _owners(attrs.object), _owners(attrs.old_object)
        if new == old or (attrs.operation == CREATE and not new):
            return
        decision = self._authorizer.authorize(
            AuthorizationAttributes(
                user=attrs.user,
                verb="delete",
                group=attrs.resource.group,
                version=attrs.resource.version,
                resource=attrs.resource.plural,
                namespace=attrs.namespace,
                name=attrs.name,
            )
        )
        if not decision.allowed:
            raise attrs.forbidden(f"cannot set an ownerRef on a resource you can't delete: {decision.reason}, <nil>")
