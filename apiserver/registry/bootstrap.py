"""Objects every cluster has from the start: system namespaces, the `kubernetes` Service and its endpoints.

Level-triggered: what is missing is made, what differs is mended, again and again.
"""

from __future__ import annotations

import ipaddress

from apimachinery.errors import AlreadyExists, APIError, NotFound
from apimachinery.objects.metadata import Obj
from apiserver.registry.client import LoopbackClient
from apiserver.storage.errors import StorageError
from component.clock import Clock
from component.logging import get_logger

_LOG = get_logger(__name__)
_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_SERVICE = "kubernetes"
_PRIORITY_CLASSES = {
    "system-cluster-critical": (2000000000, "cluster"),
    "system-node-critical": (2000001000, "node"),
}
_EVERY_SECONDS = 10.0
_NAMESPACES_HOOK = "start-system-namespaces-controller"
_CLASSES_HOOK = "scheduling/bootstrap-system-priority-classes"
_SERVICE_HOOK = "bootstrap-controller"
_CIDR_HOOK = "start-kubernetes-service-cidr-controller"
BOOTSTRAP_HOOKS = (_NAMESPACES_HOOK, _CLASSES_HOOK, _SERVICE_HOOK, _CIDR_HOOK)
"""Upstream's post-start hooks that stand for these objects."""


class BootstrapObjects:
    """Makes the objects and keeps them."""

    def __init__(
        self, client: LoopbackClient, clock: Clock, *, address: str, port: int, service_ip: str, cidrs: tuple[str, ...]
    ) -> None:
        self._client = client
        self._clock = clock
        # Endpoints may not be loopback addresses; such a server is for tests and has no pods to serve.
        self._address = "" if address and ipaddress.ip_address(address).is_loopback else address
        self._port = port
        self._service_ip = service_ip
        self._cidrs = cidrs
        self.finished: set[str] = set()
        """Those of `BOOTSTRAP_HOOKS` whose objects have been made."""

    async def run(self) -> None:
        """Keep the objects for ever."""
        while True:
            try:
                await self.reconcile()
            except (APIError, StorageError) as error:
                _LOG.warning("bootstrap objects are not all there, trying again", error=str(error))
                await self._clock.sleep(0.5)
                continue
            await self._clock.sleep(_EVERY_SECONDS)

    async def reconcile(self) -> None:
        """Make what is missing, mend what differs."""
        for name in _NAMESPACES:
            await self._ensure("namespaces", {"metadata": {"name": name}}, None)
        self.finished.add(_NAMESPACES_HOOK)
        for name, (value, scope) in _PRIORITY_CLASSES.items():
            await self._ensure("priorityclasses.scheduling.k8s.io", _priority_class(name, value, scope), None)
        self.finished.add(_CLASSES_HOOK)
        await self._ensure("servicecidrs.networking.k8s.io", self._service_cidr(), None)
        await self._ensure("services", self._service(), "default")
        if self._address:
            await self._ensure("endpoints", self._endpoints(), "default", part="subsets")
            await self._ensure("endpointslices.discovery.k8s.io", self._slice(), "default", part="endpoints")
        self.finished.add(_SERVICE_HOOK)
        await self._ready_cidr()
        self.finished.add(_CIDR_HOOK)

    async def _ensure(self, resource: str, wanted: Obj, namespace: str | None, *, part: str = "") -> None:
        name = wanted["metadata"]["name"]
        try:
            found = await self._client.get(resource, name, namespace)
        except NotFound:
            try:
                await self._client.create(resource, wanted, namespace)
            except AlreadyExists:
                return
            return
        if part and found.get(part) != wanted[part]:
            await self._client.update(resource, {**found, **wanted, "metadata": found["metadata"]})

    async def _ready_cidr(self) -> None:
        found = await self._client.get("servicecidrs.networking.k8s.io", _SERVICE)
        if (found.get("status") or {}).get("conditions"):
            return
        condition = {
            "type": "Ready",
            "status": "True",
            "reason": "",
            "message": "Kubernetes default Service CIDR is ready",
            "lastTransitionTime": found["metadata"]["creationTimestamp"],
        }
        patch = {"status": {"conditions": [condition]}}
        await self._client.patch("servicecidrs.networking.k8s.io", _SERVICE, patch, subresource="status")

    def _service_cidr(self) -> Obj:
        return {"metadata": {"name": _SERVICE}, "spec": {"cidrs": list(self._cidrs)}}

    def _service(self) -> Obj:
        port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": self._port}
        labels = {"component": "apiserver", "provider": "kubernetes"}
        return {
            "metadata": {"name": _SERVICE, "namespace": "default", "labels": labels},
            "spec": {"clusterIP": self._service_ip, "ports": [port], "sessionAffinity": "None", "type": "ClusterIP"},
        }

    def _endpoints(self) -> Obj:
        labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
        port = {"name": "https", "port": self._port, "protocol": "TCP"}
        return {
            "metadata": {"name": _SERVICE, "namespace": "default", "labels": labels},
            "subsets": [{"addresses": [{"ip": self._address}], "ports": [port]}],
        }

    def _slice(self) -> Obj:
        return {
            "metadata": {
                "name": _SERVICE,
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": _SERVICE},
            },
            "addressType": "IPv6" if ":" in self._address else "IPv4",
            "endpoints": [{"addresses": [self._address], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": self._port, "protocol": "TCP"}],
        }


def _priority_class(name: str, value: int, scope: str) -> Obj:
    description = {
        "cluster": "Used for system critical pods that must run in the cluster, but can be moved to another node.",
        "node": "Used for system critical pods that must not be moved from their current node.",
    }[scope]
    return {
        "metadata": {"name": name},
        "value": value,
        "description": description,
        "preemptionPolicy": "PreemptLowerPriority",
    }
