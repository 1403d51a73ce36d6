"""AlwaysAdmit and AlwaysDeny (off by default): for tests and emergencies."""

from __future__ import annotations

from apiserver.admission.chain import AdmissionAttributes, PluginServices


class AlwaysAdmit:
    """Lets everything pass."""

    name = "AlwaysAdmit"

    def __init__(self, services: PluginServices) -> None:
        del services

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """Nothing to do anywhere."""
        del operation, group_resource, subresource
        return False


class AlwaysDeny:
    """Refuses everything."""

    name = "AlwaysDeny"

    def __init__(self, services: PluginServices) -> None:
        del services

    def handles(self, operation: str, group_resource: str, subresource: str) -> bool:
        """All requests."""
        del operation, group_resource, subresource
        return True

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Refuse."""
        raise attrs.forbidden("admission control is denying all modifications")
