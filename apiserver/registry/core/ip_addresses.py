"""IPAddress objects of Services: one for each cluster IP, written before the Service and taken away after it."""

from __future__ import annotations

import contextlib

from apimachinery.errors import NotFound
from apimachinery.objects.metadata import Obj
from apiserver.registry.client import LoopbackClient
from apiserver.registry.service_ips import family_of

IP_ADDRESSES = "ipaddresses.networking.k8s.io"
_FAMILY = "ipaddress.kubernetes.io/ip-family"
_MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
_MANAGER = "ipallocator.k8s.io"


def ip_address(address: str, key: str) -> Obj:
    """Return the IPAddress of a Service (`namespace/name`)."""
    namespace, _, name = key.partition("/")
    return {
        "metadata": {"name": address, "labels": _labels(address)},
        "spec": {"parentRef": {"group": "", "resource": "services", "namespace": namespace, "name": name}},
    }


def _labels(address: str) -> dict[str, str]:
    return {_FAMILY: family_of(address), _MANAGED_BY: _MANAGER}


def is_managed(obj: Obj) -> bool:
    """Whether an IPAddress was made for a Service by an API server."""
    return (obj["metadata"].get("labels") or {}).get(_MANAGED_BY) == _MANAGER


def is_labelled(obj: Obj) -> bool:
    """Whether an IPAddress has the labels its kind is found by."""
    return _labels(obj["metadata"]["name"]).items() <= (obj["metadata"].get("labels") or {}).items()


def service_of(obj: Obj) -> str | None:
    """Return the key of the Service that an IPAddress belongs to, or None when it belongs to something else."""
    parent = (obj.get("spec") or {}).get("parentRef") or {}
    if parent.get("group") or parent.get("resource") != "services":
        return None
    return f"{parent.get('namespace', '')}/{parent.get('name', '')}"


class IPAddresses:
    """Writes the objects."""

    def __init__(self, client: LoopbackClient) -> None:
        self._client = client

    async def claim(self, address: str, key: str) -> None:
        """Make the IPAddress of a Service; `AlreadyExists`."""
        await self._client.create(IP_ADDRESSES, ip_address(address, key))

    async def release(self, address: str) -> None:
        """Take an IPAddress away, if it is there."""
        with contextlib.suppress(NotFound):
            await self._client.delete(IP_ADDRESSES, address)
