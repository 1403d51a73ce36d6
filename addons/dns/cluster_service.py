"""The Service `kube-dns` and its EndpointSlice, kept there by the DNS server itself.

Pods find the DNS by its address alone; the Service reserves that address and shows it to
people and tools. Talks to the API server only.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from apimachinery.errors import AlreadyExists, APIError, NotFound
from component.logging import get_logger

if TYPE_CHECKING:
    from apimachinery.client.rest import Client
    from apimachinery.objects.metadata import Obj

_LOG = get_logger("service")
NAMESPACE, NAME = "kube-system", "kube-dns"
_SLICES = "endpointslices.discovery.k8s.io"
_LABELS = {
    "k8s-app": "kube-dns",
    "kubernetes.io/cluster-service": "true",
    "kubernetes.io/name": "CoreDNS",
}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


def service(address: str, port: int) -> Obj:
    """The Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": dict(_LABELS)},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": port},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": port},
            ],
        },
    }


def endpoint_slice(address: str, port: int) -> Obj:
    """The EndpointSlice: this very server."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": {
                **_LABELS,
                "kubernetes.io/service-name": NAME,
                "endpointslice.kubernetes.io/managed-by": "dns.minikube-py",
            },
        },
        "addressType": "IPv6" if ":" in address else "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True, "serving": True, "terminating": False}}],
        "ports": [
            {"name": "dns", "port": port, "protocol": "UDP"},
            {"name": "dns-tcp", "port": port, "protocol": "TCP"},
        ],
    }


class ClusterService:
    """Creates what is missing and repairs what differs.

    Args:
        client: to the API server.
        address: the address that the DNS listens on.
        port: and its port.
    """

    def __init__(self, client: Client, address: str, port: int) -> None:
        self._client = client
        self._wanted = (("services", service(address, port)), (_SLICES, endpoint_slice(address, port)))
        self._check = asyncio.Event()
        self._check.set()

    def look_again(self) -> None:
        """One of the two changed or went away."""
        self._check.set()

    async def run(self) -> None:
        """Keeps both there, until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            await self._check.wait()
            self._check.clear()
            try:
                for resource, wanted in self._wanted:
                    await self._ensure(resource, wanted)
                pause = _FIRST_PAUSE
            except APIError as error:
                _LOG.debug("Service kube-dns could not be ensured", err=error)
                self._check.set()
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _ensure(self, resource: str, wanted: Obj) -> None:
        try:
            found = await self._client.get(resource, NAME, NAMESPACE)
        except NotFound:
            try:
                await self._client.create(resource, wanted)
            except AlreadyExists:
                self._check.set()
            return
        if _contains(found, {k: v for k, v in wanted.items() if k != "metadata"}):
            return
        if resource == "services" and found["spec"].get("clusterIP") != wanted["spec"]["clusterIP"]:
            # The address can't be changed in place.
            await self._client.delete(resource, NAME, NAMESPACE)
            await self._client.create(resource, wanted)
            return
        meta = {
            **found["metadata"],
            "labels": {**(found["metadata"].get("labels") or {}), **wanted["metadata"]["labels"]},
        }
        spec = {**(found.get("spec") or {}), **(wanted.get("spec") or {})}
        await self._client.update(resource, {**wanted, "metadata": meta, **({"spec": spec} if spec else {})})


def _contains(found: Any, wanted: Any) -> bool:
    """Whether everything wanted is there; what the server adds is no difference."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_contains(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(_contains(f, w) for f, w in zip(found, wanted, strict=True))
        )
    return bool(found == wanted)
