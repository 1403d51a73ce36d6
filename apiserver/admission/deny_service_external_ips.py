"""DenyServiceExternalIPs (off by default): no Service gets new external IPs (CVE-2020-8554)."""

from __future__ import annotations

from apiserver.admission.chain import CREATE, UPDATE, AdmissionAttributes, OnResources, PluginServices


class DenyServiceExternalIPs(OnResources):
    """The plugin."""

    name = "DenyServiceExternalIPs"
    on = frozenset({(CREATE, "services", ""), (UPDATE, "services", "")})

    def __init__(self, services: PluginServices) -> None:
        del services

    async def validate(self, attrs: AdmissionAttributes) -> None:
        """Refuse addresses that weren't there before."""
        new = set(((attrs.object or {}).get("spec") or {}).get("externalIPs") or ())
        old = set(((attrs.old_object or {}).get("spec") or {}).get("externalIPs") or ())
        if new - old:
            raise attrs.forbidden("Use of external IPs is denied by admission control")
